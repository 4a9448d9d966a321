"""The executions view: one row for each execution, folded from all its events.

One table for lists, for finding by what executions carry (`projections.documents`) and for how jobs'
executions went (`projections.history`): the row, its state and most indexes would be the same in each.
Deleted executions keep their row and are hidden unless asked for. Of erased ones only a husk
remains, see `projections.outline`.

Beside it two tables of counts, both kept as differences of what a row counted for before and after, so
that what was counted can be taken back. `counts` is of those that finds look for. `endings` says how a
job's executions stand and ended: deleted ones count, though none is shown as a job's last one; erased
ones do not, since a rebuild could not know whose they were.
"""
