"""Durable consumers: named positions in the log that several members read together, in order.

A consumer's streams are spread over 64 **shards** by a hash that is fixed for ever. A member owns
some shards, about its share of them, and is handed the events of those; the events of one stream
are never out with two members, so an execution's events stay in order however members come and go.

    scanned   the consumer: the log was looked through up to here
    latest    a shard: its last event up to `scanned`
    acked     a shard: everything up to here is done or set aside
    handed    a shard: what is out was looked for up to here; null when nothing is out
    epoch     a shard: counts what was handed out; a lease is `shard-epoch`

A shard whose `acked` has reached `latest` is as far as `scanned`, without a row being written: a
quiet shard holds nothing back, and a poll that finds nothing new reads a few small rows. What is
out is an interval `(acked, handed]`, so that events are neither copied nor marked one by one.

Invariants:

1.  A shard changes hands only while nothing of it is out: given back, acknowledged, or the lease
    ended. Then the epoch goes up, and what was said under the old one is refused.
2.  Every change is made by one who holds the consumer's row locked. The log is read outside of
    that; what was read is used only if the epoch still is as it was.
3.  That something is out is written, durably, before it is handed out. A member that dies on an event
    is thus counted like one that says it failed.
4.  A stream that was set aside (`held`) is left out of its shard's hand-outs. It is handed out by
    itself, from `after` up to `acked` of its shard, and returns to it when nothing is left in
    between and nothing is out. So one failing execution keeps no other one waiting, and its own events stay in order.
5.  When a lease ends unacknowledged, nobody knows which event was the cause. The shard is then
    handed out carefully: its first event alone, to a member that has nothing else; after each
    success twice as many, but after a second loss one by one. An event that was lost alone is set
    aside.

Delivered is at least once: an event is repeated only after a lease ended or somebody asked for it.
All times are the database's. Erased events are delivered without their data, like everywhere.

A crash at any line leaves either nothing changed, or something handed out that nobody received:
its lease ends and it is handed out again. `webhooks` is a member like any other.
"""
