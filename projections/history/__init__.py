"""The history view: for each job its executions, newest first, deleted ones included.

Of an erased execution the row stays without its job's name, because the log no longer knows it.
`estimate` reads from it how long a job typically takes.

Counts of how a job's executions stand and ended are kept as differences of what a row counted for
before and after, so they can be taken back: an erased execution counts for nothing, since a rebuild
could not know whose it was. Deleted ones count, but are not shown as a job's last one.
"""
