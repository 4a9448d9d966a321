"""The worker: a client like any other, which claims executions and runs their steps.

One execution's life here: `claiming` takes a lease and starts `run`; `run` goes through the steps,
each by a handler of `steps`; `reporter` tells the ledger in the order things happened; `hold` renews
the lease, hears users' wishes, and decides when what runs must be stopped.

Invariants:

- Nothing of an execution runs here after its lease may have passed to another: the lease counts
  from before the last successful heartbeat was sent, and what runs is killed before it ends. The
  ledger's fence refuses whatever is said too late all the same.
- A batch of reports is cut so that sending it twice records nothing twice (see `batch`); a lost
  connection or a restarted server is met by sending the same batch again.
- The report that lets go of an execution (finished, canceled, paused, handed back) travels alone,
  after all others were taken.
- When the worker is killed, `guardian` kills the process groups it leaves behind.

Instants in reports are told on the ledger's clock: the lease says when it was given, and this
process measures only what has passed since. A worker's wall clock does not matter.
"""
