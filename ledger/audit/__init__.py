"""What a reviewer holds against the ledger: signed heads, keys, exports, and the check of them. Pure.

A head says: the first `size` entries have this root, and the map of their streams has that one. It
is signed by the ledger's key. Who kept one head can prove of any later ledger that it tells the same
history, and of any export that it is part of it.

`heads` and `keys` are the signed texts, `export` the lines of an export, and `check` reads those lines
again, trusting nothing but keys and heads it is given.
"""
