"""Bytes that must stay as they are: stored events and vendor transcripts."""
