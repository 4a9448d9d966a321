"""The executions view: one row for each execution, folded from all its events.

Deleted executions keep their row and are hidden unless asked for. Of erased ones only a husk
remains, see `projections.outline`.
"""
