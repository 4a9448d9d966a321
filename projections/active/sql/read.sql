-- Reading the active view; see ../../executions/sql/read.sql for the form of the answers.

-- name: page
-- $1 organization or null for all, $2 job_id or null, $3 statuses or null, $4 before (created_position,
-- exclusive) or null, $5 limit. Newest first. Planned with the values at hand.
-- is_full: it needs a slot of its job, and all of them are taken.
select p.position as reflects, a.*
from projections.projection p
left join lateral (
    select a.state, a.created_position,
        a.queue_job <> '' and a.slots <= (
            select count(*) from view_active.active h
            where h.holds_slot and h.organization = a.organization and h.job_id = a.queue_job
        ) as is_full
    from view_active.active a
    where ($1::text is null or a.organization = $1)
        and ($2::text is null or a.job_id = $2)
        and ($3::text[] is null or a.status = any($3))
        and ($4::bigint is null or a.created_position < $4)
    order by a.created_position desc
    limit $5
) a on true
where p.name = 'active' and p.generation = 'live';

-- name: counts
-- $1 organizations or null for all.
select status, count(*) as executions
from view_active.active
where $1::text[] is null or organization = any($1)
group by status;

-- name: candidates
-- $1 organizations or null for all, $2 step types offered, $3 now, $4 limit.
--
-- Longest waiting first, where a point of priority counts as a minute of waiting: nothing starves.
--
-- kinds: what the claimable rows need, without repetition, one index probe a kind (PostgreSQL has no
--   loose index scan of its own). Those that wait count once, however many they are.
-- fitting: the kinds this worker can do, and how many executions have a slot of the kind's job. Of
--   such a kind as many rows are given as there are slots left, since more can't start.
-- timed: rows whose time has come and which the ledger has not released yet; few.
with recursive kinds as (
    (
        select a.organization, a.queue_job, a.step_types, a.slots
        from view_active.active a
        where a.claimable
        order by a.organization, a.queue_job, a.step_types
        limit 1
    )
    union all
    select n.organization, n.queue_job, n.step_types, n.slots
    from kinds k
    cross join lateral (
        select a.organization, a.queue_job, a.step_types, a.slots
        from view_active.active a
        where a.claimable
            and (a.organization, a.queue_job, a.step_types)
                > (k.organization, k.queue_job, k.step_types)
        order by a.organization, a.queue_job, a.step_types
        limit 1
    ) n
),
fitting as (
    select k.organization, k.queue_job, k.step_types, greatest(k.slots - h.held, 0) as free
    from kinds k
    cross join lateral (
        select count(*) as held
        from view_active.active h
        where k.queue_job <> '' and h.holds_slot
            and h.organization = k.organization and h.job_id = k.queue_job
    ) h
    where ($1::text[] is null or k.organization = any($1))
        and k.step_types <@ $2::text[]
),
found as (
    select c.uuid, c.number, c.organization, c.job_id, c.version, c.rank_at
    from fitting f
    cross join lateral (
        select a.uuid, a.number, a.organization, a.job_id, a.version, a.rank_at
        from view_active.active a
        where a.claimable
            and a.organization = f.organization
            and a.queue_job = f.queue_job
            and a.step_types = f.step_types
        order by a.rank_at, a.number
        limit case when f.queue_job = '' then $4::bigint else f.free end
    ) c
    union all
    select c.uuid, c.number, c.organization, c.job_id, c.version, c.rank_at
    from (
        select a.uuid, a.number, a.organization, a.job_id, a.version, a.rank_at
        from view_active.active a
        where a.timed
            and a.ready_at <= $3
            and ($1::text[] is null or a.organization = any($1))
            and a.step_types <@ $2::text[]
            and (a.queue_job = '' or a.slots > (
                select count(*) from view_active.active h
                where h.holds_slot and h.organization = a.organization and h.job_id = a.queue_job
            ))
        order by a.ready_at
        limit $4
    ) c
)
select f.uuid, f.number, f.organization, f.job_id, f.version
from found f
order by f.rank_at, f.number
limit $4;
