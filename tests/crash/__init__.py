"""Processes killed at the worst moment: nothing acknowledged is lost or doubled."""
