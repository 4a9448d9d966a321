"""The life of an execution, as a pure decider.

    pending ──started──▶ running ──finished──▶ finished
       │  ▲                │ │ ▲                  ▲
       │  │   retry,       │ │ └─resumed─┐        │ timed out, lease lost for good
       │  └── lease lost ──┘ └─▶ pausing ─▶ paused
       │                         (any open state) ──cancel_requested──▶ aborting ──canceled──▶ aborted
       └── no worker in time ──▶ finished

A running execution is owned by one worker at a time: the one whose fence is the highest that an
`execution.started` carried. It may have no owner for a while (dispatched at once by a dialect, or
resumed); then a worker must take it before the queue's deadline.

A pause keeps what it interrupted: resumed, an execution waits on for its time or its upstreams, and
what comes meanwhile is noted. A recorder tells of work that runs elsewhere: its first report takes
the execution off the queue, it holds no lease, and its failures are final.

Every open state has an end: `deadlines.next_due` says who must act and by when, the store keeps
that instant beside the stream, and the ledger's timer issues `Tick` when it has passed.

`state` folds, `decide` and its siblings rule, `plan` expands a job's steps. Why events and not a
status column: what was decided can be replayed, and a late report is refused against the very facts
that made it late.
"""
