"""Requests over HTTP against a running server."""
