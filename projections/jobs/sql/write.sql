-- What projector.py does, in the generation's own schema (unqualified names).

-- name: load
-- $1 organizations, $2 job ids (parallel).
select j.organization, j.job_id, j.state
from unnest($1::text[], $2::text[]) as n (organization, job_id)
join jobs j on j.organization = n.organization and j.job_id = n.job_id;

-- name: upsert
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
