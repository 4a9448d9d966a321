-- What projector.py does, in the generation's own schema (unqualified names).

-- name: load
-- $1 uuids.
select uuid, state from active where uuid = any($1::uuid[]);

-- name: delete
-- $1 uuids of executions that closed.
delete from active where uuid = any($1::uuid[]);

-- name: update
-- Parallel arrays, one element a row. What is fixed at creation is not among them. A row that is
-- further stays.
update active a set
    status = n.status,
    waiting_for = n.waiting_for,
    ready_at = n.ready_at,
    worker = n.worker,
    percent = n.percent,
    total_items = n.total_items,
    processed_items = n.processed_items,
    attempt = n.attempt,
    started_at = n.started_at,
    due_at = n.due_at,
    due_who = n.due_who,
    claimable = n.claimable,
    timed = n.timed,
    queue_job = n.queue_job,
    slots = n.slots,
    holds_slot = n.holds_slot,
    rank_at = n.rank_at,
    position = n.position,
    version = n.version,
    state = n.state
from unnest(
    $1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::double precision[],
    $7::bigint[], $8::bigint[], $9::integer[], $10::timestamptz[], $11::timestamptz[], $12::text[],
    $13::boolean[], $14::boolean[], $15::text[], $16::integer[], $17::boolean[],
    $18::timestamptz[], $19::bigint[], $20::integer[], $21::bytea[]
) as n (
    uuid, status, waiting_for, ready_at, worker, percent, total_items, processed_items, attempt,
    started_at, due_at, due_who, claimable, timed, queue_job, slots, holds_slot, rank_at, position,
    version, state)
where a.uuid = n.uuid and a.version < n.version;
