"""How others talk to the ledger: HTTP, the dialects, the command line, the worker.

`app` puts it together; `native` holds the `/v1` resources; `client`, `cli` and `worker` stand on the
other side of HTTP and import nothing of the server but its wire types.
"""
