"""The ledger and its projections on a real PostgreSQL."""
