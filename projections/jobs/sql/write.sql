-- What projector.py does, in the generation's own schema (unqualified names).

-- name: load_runs
-- $1 uuids.
select uuid, state from runs where uuid = any($1::uuid[]);

-- name: load_jobs
-- $1 organizations, $2 job ids (parallel).
select j.organization, j.job_id, j.state
from unnest($1::text[], $2::text[]) as n (organization, job_id)
join jobs j on j.organization = n.organization and j.job_id = n.job_id;

-- name: delete_runs
-- $1 uuids of executions that were erased.
delete from runs where uuid = any($1::uuid[]);

-- name: upsert_runs
-- Parallel arrays, one element a row. A row that is further stays.
insert into runs as r (
    uuid, organization, job_id, number, status, outcome, created_at, ended_at, deleted,
    created_position, version, state)
select * from unnest(
    $1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[],
    $8::timestamptz[], $9::boolean[], $10::bigint[], $11::integer[], $12::bytea[])
on conflict (uuid) do update set
    status = excluded.status,
    outcome = excluded.outcome,
    ended_at = excluded.ended_at,
    deleted = excluded.deleted,
    version = excluded.version,
    state = excluded.state
where r.version < excluded.version;

-- name: add_counts
-- Parallel arrays, one element a job: organization, job id, and what to add to each count.
insert into counts as c (organization, job_id, open, ok, warning, error, aborted)
select * from unnest(
    $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
on conflict (organization, job_id) do update set
    open = c.open + excluded.open,
    ok = c.ok + excluded.ok,
    warning = c.warning + excluded.warning,
    error = c.error + excluded.error,
    aborted = c.aborted + excluded.aborted;

-- name: drop_zero_counts
-- $1 organizations, $2 job ids (parallel). A rebuild would not make rows for what was erased.
delete from counts c
using unnest($1::text[], $2::text[]) as n (organization, job_id)
where c.organization = n.organization and c.job_id = n.job_id
    and c.open = 0 and c.ok = 0 and c.warning = 0 and c.error = 0 and c.aborted = 0;

-- name: upsert_jobs
-- Parallel arrays, one element a row; tags as literals. A row that is further stays.
insert into jobs as j (
    organization, job_id, uuid, number, oid, path, type, tags, retired, created_at, modified_at,
    position, version, state)
select n.organization, n.job_id, n.uuid, n.number, n.oid, n.path, n.type, n.tags::text[], n.retired,
    n.created_at, n.modified_at, n.position, n.version, n.state
from unnest(
    $1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::boolean[], $10::timestamptz[], $11::timestamptz[], $12::bigint[],
    $13::integer[], $14::bytea[]
) as n (
    organization, job_id, uuid, number, oid, path, type, tags, retired, created_at, modified_at,
    position, version, state)
on conflict (organization, job_id) do update set
    uuid = excluded.uuid,
    number = excluded.number,
    oid = excluded.oid,
    path = excluded.path,
    type = excluded.type,
    tags = excluded.tags,
    retired = excluded.retired,
    created_at = excluded.created_at,
    modified_at = excluded.modified_at,
    position = excluded.position,
    version = excluded.version,
    state = excluded.state
where j.version < excluded.version;
