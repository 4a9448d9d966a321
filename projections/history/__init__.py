"""The history view: for each job its executions, newest first, deleted ones included.

Of an erased execution the row stays without its job's name, because the log no longer knows it.
`estimate` reads from it how long a job typically takes.

A row keeps the positions of its execution's creation and end, between which it was open: at every
position from the one on, and no more at the other. So `as_of` tells what was open as of any position.

Counts of how a job's executions stand and ended are kept as differences of what a row counted for
before and after, so they can be taken back: an erased execution counts for nothing, since a rebuild
could not know whose it was. Deleted ones count, but are not shown as a job's last one.
"""
