"""Matchers: pure functions from the bytes of a window to evidence. One file a matcher."""
