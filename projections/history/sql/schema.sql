-- One row an execution, deleted or not. Filled by projector.py; `state` is an outline.

create table history (
    uuid uuid primary key,
    number bigint not null,
    organization text collate "C" not null,
    job_id text collate "C" not null,
    status text collate "C" not null,
    outcome text collate "C",
    cause text collate "C",
    exit_code text not null,
    attempt integer not null,
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    duration_ms bigint,                     -- from first start to end, waits in between included
    is_restart boolean not null,
    "user" text not null,
    trigger text not null,
    deleted_at timestamptz,
    deleted_by text,
    erased boolean not null,
    created_position bigint not null,
    closed_position bigint,                 -- of the event that ended it; null: it is open
    version integer not null,
    state bytea not null
) with (fillfactor = 85);

create index history_by_job on history (organization, job_id, created_position);
create index history_last on history (organization, job_id, created_position)
    where deleted_at is null;
create index history_newest on history (created_position);
create index history_durations on history (organization, job_id, created_position)
    include (duration_ms)
    where status = 'finished' and outcome = 'ok' and duration_ms is not null;
-- What was open as of a position: those still open, and those closed since. The index of intervals costs
-- most to write, so an execution comes into it only when it closes.
create index history_open on history (created_position) where closed_position is null;
create index history_closed on history using gist (int8range(created_position, closed_position))
    where closed_position is not null;

-- How a job's executions stand and ended: deleted ones included, erased ones not.
create table counts (
    organization text collate "C" not null,
    job_id text collate "C" not null,
    open bigint not null,
    ok bigint not null,
    warning bigint not null,
    error bigint not null,
    aborted bigint not null,
    primary key (organization, job_id)
) with (fillfactor = 50);
