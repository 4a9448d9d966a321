"""The worker without a database: against a stand-in that decides as the ledger does."""
