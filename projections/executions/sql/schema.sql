-- One row an execution. Filled by projector.py; `state` is the folded ExecutionState.

create table executions (
    uuid uuid primary key,
    number bigint not null unique,
    oid text collate "C" not null unique,
    organization text collate "C" not null,
    job_id text collate "C" not null,
    status text collate "C" not null,
    outcome text collate "C",
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    modified_at timestamptz not null,
    "user" text not null,
    client_id text not null,
    trigger text not null,
    tags text[] not null,
    labels jsonb not null,
    name text not null,
    deleted boolean not null,
    erased boolean not null,
    position bigint not null,
    created_position bigint not null unique,
    version integer not null,
    state bytea not null
) with (fillfactor = 85, autovacuum_analyze_scale_factor = 0.05);

-- Newest first is by created_position: it orders like creation and never changes.
create index executions_by_organization on executions (organization, created_position);
create index executions_by_job on executions (organization, job_id, created_position);
create index executions_by_job_anywhere on executions (job_id, created_position);
create index executions_open on executions (created_position)
    where status in ('pending', 'running', 'pausing', 'paused', 'aborting');
create index executions_not_ok on executions (created_position)
    where outcome in ('warning', 'error');
create index executions_aborted on executions (created_position) where status = 'aborted';
create index executions_by_tag on executions using gin (tags);
