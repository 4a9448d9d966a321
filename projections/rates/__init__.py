"""The rates view: how many executions were created, started and ended, minute by minute.

A minute is that of `recorded_at`, which never decreases with the position. Counts are of events, so
an execution that was taken over counts as started again; and they are by type alone, so an erasure
takes nothing from them. An organization that is never idle fills half a million small rows a year.
"""
