"""Signing: the ledger puts its name to how far its tree has grown, and never to two histories.

A ledger has one key at a time, however many nodes run. The first node that finds no key in the
database makes one in its data directory (`tree-key`, mode 0600) and registers its public half; from
then on a node signs if it holds that key, and otherwise says that it does not. To let several
machines sign, copy the file or point `JOBLEDGER_TREE_KEY` at it.

About every second in which the tree has moved, one node signs a head and publishes it: as a row of
`audit.tree_head`, which nothing removes, and as `tree-head` in its data directory. That file is
outside the database, so that a database cut off consistently at some earlier point is found out.
Before a head is signed it is held against the newest one of both places; where the tree does not
continue what was signed, nothing is signed until an operator has looked, and health, metrics, the log
and `/v1/tree` say so.

After a backup was restored on purpose the newest events may really be gone. Then the operator takes
`tree-head` away, which is to say that the ledger begins again from what the database holds.
"""
