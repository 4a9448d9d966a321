"""Webhooks: the ledger brings events to an address, in the form of the Standard Webhooks.

A webhook is a durable consumer (`api.consumers`) whose members are the server processes themselves;
its position, its retries and what is parked are the consumer's, and so are its promises: at least
once, in order by execution, different executions at the same time (8 at a time for one hook).

    POST <url>
    webhook-id         the event's id: the same at every attempt, so that receivers can tell repeats
    webhook-timestamp  when this attempt was signed, in seconds
    webhook-signature  `v1,<base64 HMAC-SHA256 of id.timestamp.body>`, one for each valid secret

    {"type": …, "timestamp": …, "data": {the event's line}}

A body larger than 20 kB is sent with the entry alone as `data` (no `salt` and no `data` within),
`"omitted": true`, and `href`, the path at which the whole event can be read.

An answer of 2xx within the time limit is success. 410 disables the hook. Anything else, a redirect
too, is a failed attempt: the event's execution is set aside and tried again, by default 10 times
over about 76 hours, with jitter, and not before what Retry-After says. After the last attempt the
execution is parked, the others go on: nothing is ever dropped, and an operator replays or discards.

An address that fails three times in a row, whatever the events, is left alone for a while (5 s,
doubling up to 5 min) and then probed with the one event that is due next, a new one or a retry; when
it answers, all that waits for a retry is tried at once. One that has failed for 5 days without a single success is disabled. A disabled hook keeps its
position: enabled again, it goes on where it was.

Secrets are sealed (`sealing`) with a key that the database does not have. Where events may be sent
is limited (`target`): an administrator of one organization must not reach into the network that
the server stands in. The log of attempts holds no bodies and no secrets, and is cut by age.

Limit: a process that stops in the middle of a request sends that event again when it comes back.
"""
