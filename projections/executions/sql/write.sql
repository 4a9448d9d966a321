-- What projector.py does, in the generation's own schema (unqualified names).

-- name: load
-- $1 uuids.
select uuid, state from executions where uuid = any($1::uuid[]);

-- name: update
-- Parallel arrays, one element a row; tags, labels, dependencies and documents as literals. A row that
-- is further stays.
update executions e set
    job_id = n.job_id,
    job_key = n.job_key,
    pipeline_id = n.pipeline_id,
    status = n.status,
    phase = n.phase,
    outcome = n.outcome,
    started_at = n.started_at,
    ended_at = n.ended_at,
    started_ms = n.started_ms,
    ended_ms = n.ended_ms,
    title = n.title,
    title_key = n.title_key,
    "user" = n."user",
    trigger = n.trigger,
    storage_id = n.storage_id,
    tags = n.tags::text[],
    labels = n.labels::jsonb,
    depends_on = n.depends_on::text[],
    input = n.input::jsonb,
    input_key = n.input_key::jsonb,
    output = n.output::jsonb,
    output_key = n.output_key::jsonb,
    exit_code = n.exit_code,
    duration_ms = n.duration_ms,
    deleted = n.deleted,
    deleted_at = coalesce(e.deleted_at, n.deleted_at),
    deleted_by = coalesce(e.deleted_by, n.deleted_by),
    hidden = n.hidden,
    closed_position = coalesce(e.closed_position, n.closed_position),
    version = n.version,
    state = n.state
from unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::bigint[], $12::text[], $13::text[],
    $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[],
    $21::text[], $22::text[], $23::text[], $24::text[], $25::bigint[], $26::boolean[],
    $27::timestamptz[], $28::text[], $29::boolean[], $30::bigint[], $31::integer[], $32::bytea[]
) as n (
    uuid, job_id, job_key, pipeline_id, status, phase, outcome, started_at, ended_at, started_ms,
    ended_ms, title, title_key, "user", trigger, storage_id, tags, labels, depends_on, input,
    input_key, output, output_key, exit_code, duration_ms, deleted, deleted_at, deleted_by, hidden,
    closed_position, version, state)
where e.uuid = n.uuid and e.version < n.version;
