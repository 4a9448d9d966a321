"""The jobs view: each job as its events say it is, how its executions ended, and the last one.

`runs` has one small row for each execution, because its later events do not name their job. Counts are
kept as differences of what a run counted for before and after, so they can be taken back: an erased
execution counts for nothing, since a rebuild could not know whose it was. Deleted ones count, but are
not shown as the last one.
"""
