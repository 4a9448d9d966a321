-- Filled by projector.py; `state` is the folded ExecutionState.
-- Columns named *_key are case-folded by Python's str.casefold.

create table executions (
    uuid uuid primary key,
    number bigint not null unique,
    oid text collate "C" not null unique,
    organization text collate "C" not null,
    job_id text collate "C" not null,
    job_key text collate "C" not null,
    pipeline_id text collate "C" not null,  -- the job's oid
    status text collate "C" not null,
    phase text collate "C" not null,        -- finer: see ledger/executions/phase.py
    outcome text collate "C",
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    created_ms bigint not null,             -- the instants as Product-Live shows them, which compares and
    started_ms bigint,                      -- orders by that: whole milliseconds since 1970, cut off
    ended_ms bigint,
    title text collate "C" not null,
    title_key text collate "C" not null,
    "user" text collate "C" not null,
    trigger text collate "C" not null,
    storage_id text collate "C" not null,
    tags text[],                            -- null: none, so that it is in no index
    labels jsonb not null,
    depends_on text[],                      -- null: nothing
    input jsonb,
    input_key jsonb,
    output jsonb,
    output_key jsonb,
    exit_code text not null,
    duration_ms bigint,                     -- from first start to end, waits in between included
    deleted boolean not null,
    deleted_at timestamptz,
    deleted_by text,
    hidden boolean not null,                -- deleted or erased: no find looks for it
    created_position bigint not null unique,
    closed_position bigint,                 -- of the event that ended it; null: it is open
    version integer not null,
    state bytea not null
) with (fillfactor = 85, autovacuum_analyze_scale_factor = 0.05);

-- Newest first is by created_position: it orders like creation and never changes. Product-Live's
-- order is by created_ms, then oid.
create index executions_by_organization on executions (organization, created_position);
create index executions_by_job on executions (organization, job_id, created_position);
create index executions_last on executions (organization, job_id, created_position)
    where not deleted;
create index executions_by_job_anywhere on executions (job_id, created_position);
create index executions_by_user on executions ("user", created_position);
create index executions_by_storage on executions (storage_id, created_position)
    where storage_id <> '';
create index executions_open on executions (created_position)
    where status in ('pending', 'running', 'pausing', 'paused', 'aborting');
create index executions_not_ok on executions (created_position)
    where outcome in ('warning', 'error');
create index executions_aborted on executions (created_position) where status = 'aborted';
-- How long those took that went well.
create index executions_durations on executions (organization, job_id, created_position)
    include (duration_ms)
    where status = 'finished' and outcome = 'ok' and duration_ms is not null;
-- What was open as of a position is open still, or closed since. The index of intervals costs most to
-- write, so an execution comes into it only when it closes.
create index executions_closed on executions using gist (int8range(created_position, closed_position))
    where closed_position is not null;
create index found_newest on executions (created_ms, oid);
create index found_by_organization on executions (organization, created_ms, oid);
create index found_by_job on executions (job_key, created_ms, oid);
create index found_by_pipeline on executions (pipeline_id, created_ms, oid);
create index found_by_title on executions (title_key, created_ms, oid);
create index found_open on executions (created_ms, oid)
    where phase in ('waits_for_time', 'waits_for_dependency', 'waits_for_capacity',
        'waits_for_worker', 'running', 'pausing', 'paused', 'aborting');
create index found_not_ok on executions (created_ms, oid)
    where phase in ('error', 'invalid_input', 'timed_out', 'lease_lost', 'canceled',
        'upstream_failed');
-- What waits to be put into these is looked through by every search: let little wait. What has no
-- document, or no tag, is not in them.
create index executions_by_tag on executions using gin (tags)
    with (gin_pending_list_limit = 64) where tags is not null;
create index found_by_input on executions using gin (input_key jsonb_path_ops)
    with (gin_pending_list_limit = 64) where input_key is not null;
create index found_by_output on executions using gin (output_key jsonb_path_ops)
    with (gin_pending_list_limit = 64) where output_key is not null;

create table counts (
    organization text collate "C" not null,
    job_id text collate "C" not null,
    job_key text collate "C" not null,
    pipeline_id text collate "C" not null,
    phase text collate "C" not null,
    hour timestamptz not null,
    count bigint not null,
    primary key (organization, job_id, pipeline_id, phase, hour)
) with (fillfactor = 70);

-- How a job's executions stand and ended: deleted ones included, erased ones not.
create table endings (
    organization text collate "C" not null,
    job_id text collate "C" not null,
    open bigint not null,
    ok bigint not null,
    warning bigint not null,
    error bigint not null,
    aborted bigint not null,
    primary key (organization, job_id)
) with (fillfactor = 50);
