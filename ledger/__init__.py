"""What happened: events, the rules that allow them, and the log that keeps them.

Nothing here knows HTTP or read models. The way of a change is load, fold, decide, append:
`handle` walks it, `jobs` and `executions` hold the pure rules, `store` keeps the log.
Position, not time, orders everything.
"""
