"""The executions view: one row for each execution, folded from all its events.

One table for lists and for finding by what executions carry (`projections.documents`): the row, its
state and most indexes would be the same in two. `counts` beside it is kept by difference.

Deleted executions keep their row and are hidden unless asked for. Of erased ones only a husk
remains, see `projections.outline`.
"""
