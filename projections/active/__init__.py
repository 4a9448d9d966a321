"""The active view: executions that are open, with what a worker needs to claim one.

A row goes when its execution closes or is erased. Step reports are not followed here, so `progress`
is what was told of the execution as a whole.
"""
