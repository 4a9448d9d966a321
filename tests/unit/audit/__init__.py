"""Exports and their check."""
