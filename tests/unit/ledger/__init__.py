"""The pure part of the ledger."""
