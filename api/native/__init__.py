"""The ledger's own resources under `/v1`."""
