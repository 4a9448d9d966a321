"""Product-Live's Data Factory job executions: create, read, list, find.

Decisions, beside those of the mount: statuses are told by phase (see `render`); an execution is
recorded as started at its creation, as the vendor's own answer shows; `info.title` is the
execution's name, else its job's. `input` is shown as it was recorded, so that what is shown is what
can be found; executions that came in another way have no `context` in theirs.
"""
