"""Dump formats: where memory lies in a file. They know nothing of secrets."""
