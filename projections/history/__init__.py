"""The history view: for each job its executions, newest first, deleted ones included.

Of an erased execution the row stays without its job's name, because the log no longer knows it.
`estimate` reads from it how long a job typically takes.
"""
