"""OCAPI behind HTTP: `/dw/…`, `/s/{site}/dw/…`, the token endpoints and the log files.

`incoming` authenticates and reads a request, `jobs` creates, reads and deletes, `listing` searches,
`logs` serves log files, `grants` gives tokens, `answers` writes documents, `mount` puts all behind
their paths and renders what went wrong.
"""
