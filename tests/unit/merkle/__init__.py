"""Hashing, proofs and text forms."""
