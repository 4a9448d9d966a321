"""A job's definition over time, as a pure decider: defined, changed, scheduled, retired.

A retired job's id may be defined again; it is then another job, with a new uuid and number.
Definitions may include jobs that do not exist (yet): that is found when an execution is planned,
because it is a fact about several jobs at that moment, not about this one.
"""
