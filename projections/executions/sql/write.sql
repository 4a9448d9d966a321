-- What projector.py does, in the generation's own schema (unqualified names).

-- name: load
-- $1 uuids.
select uuid, state from executions where uuid = any($1::uuid[]);

-- name: upsert
-- Parallel arrays, one element a row; tags and labels as literals. A row that is further stays.
insert into executions as e (
    uuid, number, oid, organization, job_id, status, outcome, created_at, started_at, ended_at,
    modified_at, "user", client_id, trigger, tags, labels, name, deleted, erased, position,
    created_position, version, state)
select n.uuid, n.number, n.oid, n.organization, n.job_id, n.status, n.outcome, n.created_at,
    n.started_at, n.ended_at, n.modified_at, n."user", n.client_id, n.trigger, n.tags::text[],
    n.labels::jsonb, n.name, n.deleted, n.erased, n.position, n.created_position, n.version, n.state
from unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[],
    $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::boolean[],
    $19::boolean[], $20::bigint[], $21::bigint[], $22::integer[], $23::bytea[]
) as n (
    uuid, number, oid, organization, job_id, status, outcome, created_at, started_at, ended_at,
    modified_at, "user", client_id, trigger, tags, labels, name, deleted, erased, position,
    created_position, version, state)
on conflict (uuid) do update set
    job_id = excluded.job_id,
    status = excluded.status,
    outcome = excluded.outcome,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    modified_at = excluded.modified_at,
    "user" = excluded."user",
    client_id = excluded.client_id,
    trigger = excluded.trigger,
    tags = excluded.tags,
    labels = excluded.labels,
    name = excluded.name,
    deleted = excluded.deleted,
    erased = excluded.erased,
    position = excluded.position,
    version = excluded.version,
    state = excluded.state
where e.version < excluded.version;
