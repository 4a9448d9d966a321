-- Reading the executions view. Every statement gives the position its rows reflect, in one snapshot:
-- one row with nulls when nothing is found, none when the projection was never made.

-- name: by_uuid
-- $1 uuid, $2 organizations or null for all, $3 whether deleted ones are found.
select p.position as reflects, e.state
from projections.projection p
left join view_executions.executions e
    on e.uuid = $1
    and ($2::text[] is null or e.organization = any($2))
    and ($3::boolean or not e.deleted)
where p.name = 'executions' and p.generation = 'live';

-- name: by_number
-- $1 number, $2 organizations or null for all, $3 whether deleted ones are found.
select p.position as reflects, e.state
from projections.projection p
left join view_executions.executions e
    on e.number = $1
    and ($2::text[] is null or e.organization = any($2))
    and ($3::boolean or not e.deleted)
where p.name = 'executions' and p.generation = 'live';

-- name: by_oid
-- $1 oid, $2 organizations or null for all, $3 whether deleted ones are found.
select p.position as reflects, e.state
from projections.projection p
left join view_executions.executions e
    on e.oid = $1
    and ($2::text[] is null or e.organization = any($2))
    and ($3::boolean or not e.deleted)
where p.name = 'executions' and p.generation = 'live';

-- name: page
-- $1 organization or null for all, $2 job_id, $3 statuses, $4 outcomes, $5 tags (any of), $6 labels (all of),
-- $7 user, $8 trigger, $9 created from, $10 created before, $11 started from, $12 started before,
-- $13 ended from, $14 ended before, $15 whether deleted ones are listed; null: not asked for.
-- $16 before (created_position, exclusive) or null, $17 limit. Newest first.
-- Planned with the values at hand (see projections/reading.py), so conditions on null vanish.
select p.position as reflects, e.state, e.created_position
from projections.projection p
left join lateral (
    select e.state, e.created_position
    from view_executions.executions e
    where ($1::text is null or e.organization = $1)
        and ($2::text is null or e.job_id = $2)
        and ($3::text[] is null or e.status = any($3))
        and ($4::text[] is null or e.outcome = any($4))
        and ($5::text[] is null or e.tags && $5)
        and ($6::jsonb is null or e.labels @> $6)
        and ($7::text is null or e."user" = $7)
        and ($8::text is null or e.trigger = $8)
        and ($9::timestamptz is null or e.created_at >= $9)
        and ($10::timestamptz is null or e.created_at < $10)
        and ($11::timestamptz is null or e.started_at >= $11)
        and ($12::timestamptz is null or e.started_at < $12)
        and ($13::timestamptz is null or e.ended_at >= $13)
        and ($14::timestamptz is null or e.ended_at < $14)
        and ($15::boolean or not e.deleted)
        and ($16::bigint is null or e.created_position < $16)
    order by e.created_position desc
    limit $17
) e on true
where p.name = 'executions' and p.generation = 'live';

-- name: total
-- $1 organizations or null for all; $2 to $15 as in `page`. Counts all that match: not flat in cost.
select count(*)
from view_executions.executions e
where ($1::text[] is null or e.organization = any($1))
    and ($2::text is null or e.job_id = $2)
    and ($3::text[] is null or e.status = any($3))
    and ($4::text[] is null or e.outcome = any($4))
    and ($5::text[] is null or e.tags && $5)
    and ($6::jsonb is null or e.labels @> $6)
    and ($7::text is null or e."user" = $7)
    and ($8::text is null or e.trigger = $8)
    and ($9::timestamptz is null or e.created_at >= $9)
    and ($10::timestamptz is null or e.created_at < $10)
    and ($11::timestamptz is null or e.started_at >= $11)
    and ($12::timestamptz is null or e.started_at < $12)
    and ($13::timestamptz is null or e.ended_at >= $13)
    and ($14::timestamptz is null or e.ended_at < $14)
    and ($15::boolean or not e.deleted);
