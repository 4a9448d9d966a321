-- What projector.py does, in the generation's own schema (unqualified names).

-- name: load
-- $1 uuids.
select uuid, state from active where uuid = any($1::uuid[]);

-- name: delete
-- $1 uuids of executions that closed.
delete from active where uuid = any($1::uuid[]);

-- name: upsert
-- Parallel arrays, one element a row; step types as literals, null when the row is there: they are
-- fixed at creation. A row that is further stays.
insert into active as a (
    uuid, number, organization, job_id, status, waiting_for, ready_at, priority, when_running, worker,
    step_types, percent, total_items, processed_items, attempt, created_at, started_at, due_at,
    due_who, claimable, timed, queue_job, slots, holds_slot, rank_at, waits_for,
    created_position, position, version, state)
select n.uuid, n.number, n.organization, n.job_id, n.status, n.waiting_for, n.ready_at, n.priority,
    n.when_running, n.worker, coalesce(n.step_types::text[], '{}'), n.percent, n.total_items,
    n.processed_items, n.attempt, n.created_at, n.started_at, n.due_at, n.due_who, n.claimable,
    n.timed, n.queue_job, n.slots, n.holds_slot, n.rank_at, n.waits_for::uuid[], n.created_position,
    n.position, n.version, n.state
from unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
    $8::smallint[], $9::text[], $10::text[], $11::text[], $12::double precision[], $13::bigint[],
    $14::bigint[], $15::integer[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[],
    $19::text[], $20::boolean[], $21::boolean[], $22::text[], $23::integer[], $24::boolean[],
    $25::timestamptz[], $26::text[], $27::bigint[], $28::bigint[], $29::integer[], $30::bytea[]
) as n (
    uuid, number, organization, job_id, status, waiting_for, ready_at, priority, when_running, worker,
    step_types, percent, total_items, processed_items, attempt, created_at, started_at, due_at,
    due_who, claimable, timed, queue_job, slots, holds_slot, rank_at, waits_for,
    created_position, position, version, state)
on conflict (uuid) do update set
    status = excluded.status,
    waiting_for = excluded.waiting_for,
    ready_at = excluded.ready_at,
    worker = excluded.worker,
    percent = excluded.percent,
    total_items = excluded.total_items,
    processed_items = excluded.processed_items,
    attempt = excluded.attempt,
    started_at = excluded.started_at,
    due_at = excluded.due_at,
    due_who = excluded.due_who,
    claimable = excluded.claimable,
    timed = excluded.timed,
    queue_job = excluded.queue_job,
    slots = excluded.slots,
    holds_slot = excluded.holds_slot,
    rank_at = excluded.rank_at,
    position = excluded.position,
    version = excluded.version,
    state = excluded.state
where a.version < excluded.version;
