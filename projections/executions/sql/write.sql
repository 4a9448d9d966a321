-- What projector.py does, in the generation's own schema (unqualified names).

-- name: load
-- $1 uuids.
select uuid, state from executions where uuid = any($1::uuid[]);

-- name: upsert
-- Parallel arrays, one element a row; tags, labels, dependencies and documents as literals. A row that
-- is further stays.
insert into executions as e (
    uuid, number, oid, organization, job_id, job_key, pipeline_id, status, phase, outcome,
    created_at, started_at, ended_at, title, title_key, "user", trigger, storage_id, tags, labels,
    depends_on, input, input_key, output, output_key, deleted, hidden, created_position, version,
    state)
select
    n.uuid, n.number, n.oid, n.organization, n.job_id, n.job_key, n.pipeline_id, n.status, n.phase,
    n.outcome, n.created_at, n.started_at, n.ended_at, n.title, n.title_key, n."user", n.trigger,
    n.storage_id, n.tags::text[], n.labels::jsonb, n.depends_on::text[], n.input::jsonb,
    n.input_key::jsonb, n.output::jsonb, n.output_key::jsonb, n.deleted, n.hidden,
    n.created_position, n.version, n.state
from unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[],
    $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[],
    $21::text[], $22::text[], $23::text[], $24::text[], $25::text[], $26::boolean[], $27::boolean[],
    $28::bigint[], $29::integer[], $30::bytea[]
) as n (
    uuid, number, oid, organization, job_id, job_key, pipeline_id, status, phase, outcome,
    created_at, started_at, ended_at, title, title_key, "user", trigger, storage_id, tags, labels,
    depends_on, input, input_key, output, output_key, deleted, hidden, created_position, version,
    state)
on conflict (uuid) do update set
    job_id = excluded.job_id,
    job_key = excluded.job_key,
    pipeline_id = excluded.pipeline_id,
    status = excluded.status,
    phase = excluded.phase,
    outcome = excluded.outcome,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    title = excluded.title,
    title_key = excluded.title_key,
    "user" = excluded."user",
    trigger = excluded.trigger,
    storage_id = excluded.storage_id,
    tags = excluded.tags,
    labels = excluded.labels,
    depends_on = excluded.depends_on,
    input = excluded.input,
    input_key = excluded.input_key,
    output = excluded.output,
    output_key = excluded.output_key,
    deleted = excluded.deleted,
    hidden = excluded.hidden,
    version = excluded.version,
    state = excluded.state
where e.version < excluded.version;
