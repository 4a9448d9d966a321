"""The pure parts of durable consumers."""
