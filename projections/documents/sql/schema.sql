-- One row an execution. Filled by projector.py; `state` is the folded ExecutionState.
-- Columns named *_key are case-folded by Python's str.casefold.

create table documents (
    uuid uuid primary key,
    oid text collate "C" not null unique,
    organization text collate "C" not null,
    job_id text collate "C" not null,
    job_key text collate "C" not null,
    pipeline_id text collate "C" not null,
    phase text collate "C" not null,
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    title text collate "C" not null,
    title_key text collate "C" not null,
    "user" text collate "C" not null,
    storage_id text collate "C" not null,
    tags text[] not null,
    depends_on text[] not null,
    input jsonb,
    input_key jsonb,
    output jsonb,
    output_key jsonb,
    hidden boolean not null,
    created_position bigint not null unique,
    version integer not null,
    state bytea not null
) with (fillfactor = 85, autovacuum_analyze_scale_factor = 0.05);

-- Product-Live's order is by created_at, then oid; CDQ's by created_position.
create index documents_newest on documents (created_at, oid);
create index documents_by_organization on documents (organization, created_at, oid);
create index documents_in_order on documents (organization, created_position);
create index documents_by_job on documents (job_key, created_at, oid);
create index documents_of_job on documents (job_id, created_position);
create index documents_by_pipeline on documents (pipeline_id, created_at, oid);
create index documents_by_title on documents (title_key, created_at, oid);
create index documents_open on documents (created_at, oid)
    where phase in ('waits_for_time', 'waits_for_dependency', 'waits_for_capacity',
        'waits_for_worker', 'running', 'pausing', 'paused', 'aborting');
create index documents_not_ok on documents (created_at, oid)
    where phase in ('error', 'invalid_input', 'timed_out', 'lease_lost', 'canceled',
        'upstream_failed');
create index documents_by_storage on documents (storage_id, created_position)
    where storage_id <> '';
create index documents_by_user on documents ("user", created_position);
-- What waits to be put into these is looked through by every search: let little wait.
create index documents_by_tag on documents using gin (tags) with (gin_pending_list_limit = 64);
create index documents_by_input on documents using gin (input_key jsonb_path_ops)
    with (gin_pending_list_limit = 64);
create index documents_by_output on documents using gin (output_key jsonb_path_ops)
    with (gin_pending_list_limit = 64);

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
