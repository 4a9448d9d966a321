"""Frames and lines, without a log."""
