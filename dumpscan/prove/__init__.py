"""Proofs: clues from all windows, joined with public keys by arithmetic. One file a kind of key."""
