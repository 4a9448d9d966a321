-- One row an open execution: what it is looked for by, and `state`, an outline. Filled by projector.py.

create table active (
    uuid uuid primary key,
    number bigint not null,
    organization text collate "C" not null,
    job_id text collate "C" not null,
    status text collate "C" not null,
    ready_at timestamptz,
    step_types text[] collate "C" not null,  -- distinct and sorted; a worker must offer all of them
    claimable boolean not null,              -- a worker may take it now
    timed boolean not null,                  -- a worker may take it from ready_at on
    queue_job text collate "C" not null,     -- the job one of whose slots it needs to start; else empty
    slots integer not null,                  -- how many slots that job has; 0 without a limit
    holds_slot boolean not null,             -- it started, and has a slot of its job until it closes
    rank_at timestamptz not null,            -- since when it waits, put back by its priority
    created_position bigint not null,
    version integer not null,
    state bytea not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

create index active_newest on active (created_position);
create index active_by_organization on active (organization, created_position);
create index active_by_job on active (organization, job_id, created_position);
-- Workers look for the best of each kind: all rows of one kind need the same from a worker.
create index active_claimable
    on active (organization, queue_job, step_types, rank_at, number) where claimable;
create index active_timed on active (ready_at) where timed;
create index active_slots on active (organization, job_id) where holds_slot;
