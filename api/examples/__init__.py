"""Jobs to try the ledger with: definitions as JSON, their steps as Python, and real input.

`data/customers.csv` is made by `make_customers`; some of its rows are bad on purpose.
"""
