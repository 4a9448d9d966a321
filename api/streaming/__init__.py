"""The log as others see it: lines, read by one filter, in whatever form a client asks for.

`lines` makes the bytes of an event once, from its row; every form (pages, SSE, NDJSON, CloudEvents,
consumers, webhooks) carries those very bytes, so that whoever keeps them can check them. `reading`
finds the lines that one reader wants and may see.

The life of one tailed event:

    append ─▶ tail ─▶ hub, the one reader ─▶ ring ─▶ group ─▶ every member's connection
                                                └──▶ session, behind its group, on its own

What holds:

- A reader that is given position p has been given everything below it that it may see. The log has
  no holes (`ledger.store`), the ring has none, and a group's members are all at its position.
- An event is framed once for a form, and joined once for a filter. A client costs a write of bytes
  that all share, and about 20 KB.
- Nothing is queued for a client but what its connection holds unread, which is bounded; who leaves
  more goes on alone, from the ring or from pages of the log, and who reads nothing for
  `client_timeout_s` is cut off. It can resume, because all that a stream knows of a client is a
  position, which the client knows too.
- What a caller may see is part of the filter, and the filter part of the group, so no frame goes to
  whom it is not meant for. A key event makes all streams show their keys again.
- Delivery is at least once, and in order. Our own client sees each event once; one that counts only
  what it has worked on sees again, after a cut, what it had not; the position tells.

Why not a queue for each client, as most do: a thousand queues hold a thousand copies of what is new,
and the slowest decides either how much memory is used or what is lost. Why not NOTIFY for content:
it is a hint that something happened, and the log is the truth.

Limit: the number of streams is a process's own; with N processes there may be N times as many.
"""
