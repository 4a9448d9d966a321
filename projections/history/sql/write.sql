-- What projector.py does, in the generation's own schema (unqualified names).

-- name: load
-- $1 uuids.
select uuid, state from history where uuid = any($1::uuid[]);

-- name: update
-- Parallel arrays, one element a row. A row that is further stays.
update history h set
    job_id = n.job_id,
    status = n.status,
    outcome = n.outcome,
    cause = n.cause,
    exit_code = n.exit_code,
    attempt = n.attempt,
    started_at = n.started_at,
    ended_at = n.ended_at,
    duration_ms = n.duration_ms,
    is_restart = n.is_restart,
    "user" = n."user",
    trigger = n.trigger,
    deleted_at = coalesce(h.deleted_at, n.deleted_at),
    deleted_by = coalesce(h.deleted_by, n.deleted_by),
    erased = n.erased,
    closed_position = coalesce(h.closed_position, n.closed_position),
    version = n.version,
    state = n.state
from unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[],
    $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::boolean[], $12::text[], $13::text[],
    $14::timestamptz[], $15::text[], $16::boolean[], $17::bigint[], $18::integer[],
    $19::bytea[]
) as n (
    uuid, job_id, status, outcome, cause, exit_code, attempt, started_at, ended_at, duration_ms,
    is_restart, "user", trigger, deleted_at, deleted_by, erased, closed_position, version,
    state)
where h.uuid = n.uuid and h.version < n.version;
