"""Load, fold, decide, append: the one way by which anything changes.

`streams` is the loop: it folds a stream (from a bounded cache), asks a pure decider, appends what
was decided on the condition that the stream has not moved, and starts over when it has. `jobs`,
`executions` and `keys` say which decider, which claims, and which timer.

A cached state may be behind what another process wrote. An append finds that out by its expected
version; a refusal or a "nothing to do" is therefore never given from a cached state without looking
at the stream once more.
"""
