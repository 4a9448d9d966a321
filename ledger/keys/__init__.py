"""Access keys, as a pure decider: created once, revoked at most once."""
