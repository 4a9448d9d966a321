-- What projector.py does, in the generation's own schema (unqualified names).

-- name: load
-- $1 uuids.
select uuid, state from history where uuid = any($1::uuid[]);

-- name: upsert
-- Parallel arrays, one element a row. A row that is further stays.
insert into history as h (
    uuid, number, organization, job_id, status, outcome, cause, exit_code, attempt, created_at,
    started_at, ended_at, duration_ms, is_restart, "user", trigger, deleted_at, deleted_by, erased,
    created_position, version, state)
select * from unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::integer[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[],
    $13::bigint[], $14::boolean[], $15::text[], $16::text[], $17::timestamptz[], $18::text[],
    $19::boolean[], $20::bigint[], $21::integer[], $22::bytea[])
on conflict (uuid) do update set
    job_id = excluded.job_id,
    status = excluded.status,
    outcome = excluded.outcome,
    cause = excluded.cause,
    exit_code = excluded.exit_code,
    attempt = excluded.attempt,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    duration_ms = excluded.duration_ms,
    is_restart = excluded.is_restart,
    "user" = excluded."user",
    trigger = excluded.trigger,
    deleted_at = coalesce(h.deleted_at, excluded.deleted_at),
    deleted_by = coalesce(h.deleted_by, excluded.deleted_by),
    erased = excluded.erased,
    version = excluded.version,
    state = excluded.state
where h.version < excluded.version;
