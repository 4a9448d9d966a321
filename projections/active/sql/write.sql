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
    ready_at = n.ready_at,
    claimable = n.claimable,
    timed = n.timed,
    queue_job = n.queue_job,
    slots = n.slots,
    holds_slot = n.holds_slot,
    rank_at = n.rank_at,
    version = n.version,
    state = n.state
from unnest(
    $1::uuid[], $2::text[], $3::timestamptz[], $4::boolean[], $5::boolean[], $6::text[], $7::integer[],
    $8::boolean[], $9::timestamptz[], $10::integer[], $11::bytea[]
) as n (
    uuid, status, ready_at, claimable, timed, queue_job, slots, holds_slot, rank_at, version, state)
where a.uuid = n.uuid and a.version < n.version;
