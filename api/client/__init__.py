"""Speak to a job ledger over its native HTTP API, from asyncio.

`session.Ledger` opens the connection; each group of routes is one class beside it (`jobs`,
`executions`, `events`, `consumers`, `work`, `admin`) over one `transport`, which owns time limits, repeats and
the reading of problem documents (`errors`). Requests and answers are the server's own types, from
`api.native.wire`.

A call is repeated by itself only when a repetition cannot do harm: reads, calls that name the
state they want, and creations, which carry an `Idempotency-Key` made here.
"""
