-- Filled by projector.py.

create table jobs (
    organization text collate "C" not null,
    job_id text collate "C" not null,
    uuid uuid not null,
    number bigint not null,
    oid text collate "C" not null,
    path text collate "C" not null,
    type text collate "C" not null,
    tags text[] not null,
    retired boolean not null,
    created_at timestamptz not null,
    modified_at timestamptz not null,
    position bigint not null,
    version integer not null,
    state bytea not null,                   -- the folded JobState
    primary key (organization, job_id)
) with (fillfactor = 85);

-- A job's uuid may be kept when it is defined again in another organization, so none is unique.
create index jobs_by_name on jobs (job_id, organization);
create index jobs_by_uuid on jobs (uuid);
create index jobs_by_number on jobs (number);
create index jobs_by_oid on jobs (oid);
create index jobs_by_path on jobs (organization, path) where path <> '';
