"""The pure parts of webhooks."""
