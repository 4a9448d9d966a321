"""Where the dialects meet HTTP: one module or package for each vendor, at the vendor's own paths.

A mount authenticates in its vendor's way, hands bytes to its dialect (`api.dialects.<name>`, which is
pure), puts what was parsed to the same handles and queries that the native API uses, and lets the
dialect render what came of it. A vendor's error form is used for everything that goes wrong on its
paths, also what the web server itself refuses. Adding one: its dialect, its mount, one line in
`registry`, its golden files.
"""
