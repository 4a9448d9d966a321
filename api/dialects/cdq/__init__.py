"""CDQ's jobs management: jobs, their types, results, processing logs and schedules.

A CDQ job is an execution, its type a job's id, and its id the execution's uuid. Decisions:

- Jobs are listed in the order in which the ledger recorded them, which is what `createdAt` sorts by;
  so a page never repeats or misses a job while others are added.
- A job that waits for its time is PERSISTED, for a worker or for room SCHEDULED, for another job or
  after a pause WAITING. `lastJobStatus` is the status before that, down to CREATED, which is never
  seen as the current one. What was erased is UNKNOWN.
- `jobDependencies` are kept: the job waits until they have ended well.
- Numbers are numbers, as the schema has it; a setting quotes them as the examples do. Instants have
  seconds only. What has no source is left out.
- The document leaves open what an environment variable, a label, a volume, a lock, a metric, an
  attachment or a job type looks like: each is given a name and what belongs to it, see `wire`.
"""
