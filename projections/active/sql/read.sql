-- Reading the active view; see ../../executions/sql/read.sql for the form of the answers.

-- name: page
-- $1 organization or null for all, $2 job_id or null, $3 before (created_position, exclusive) or null,
-- $4 limit. Newest first. Planned with the values at hand.
select p.position as reflects, a.*
from projections.projection p
left join lateral (
    select a.uuid, a.number, a.organization, a.job_id, a.status, a.waiting_for, a.ready_at,
        a.priority, a.when_running, a.worker, a.step_types, a.percent, a.total_items,
        a.processed_items, a.attempt, a.created_at, a.started_at, a.due_at, a.due_who,
        a.created_position
    from view_active.active a
    where ($1::text is null or a.organization = $1)
        and ($2::text is null or a.job_id = $2)
        and ($3::bigint is null or a.created_position < $3)
    order by a.created_position desc
    limit $4
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
-- kinds: what the claimable rows need, without repetition, one index probe a kind (PostgreSQL has no
--   loose index scan of its own). Those that wait count once, however many they are.
-- fitting: the kinds this worker can do. A kind that queues for its job's slot is left out while an
--   execution has it, and gives one row otherwise, since only one can start.
-- timed: rows whose time has come and which the ledger has not released yet; few.
with recursive kinds as (
    (
        select a.organization, a.queue_job, a.step_types
        from view_active.active a
        where a.claimable
        order by a.organization, a.queue_job, a.step_types
        limit 1
    )
    union all
    select n.organization, n.queue_job, n.step_types
    from kinds k
    cross join lateral (
        select a.organization, a.queue_job, a.step_types
        from view_active.active a
        where a.claimable
            and (a.organization, a.queue_job, a.step_types)
                > (k.organization, k.queue_job, k.step_types)
        order by a.organization, a.queue_job, a.step_types
        limit 1
    ) n
),
fitting as (
    select k.organization, k.queue_job, k.step_types
    from kinds k
    where ($1::text[] is null or k.organization = any($1))
        and k.step_types <@ $2::text[]
        and not (
            k.queue_job <> ''
            and exists (
                select from view_active.active h
                where h.holds_slot and h.organization = k.organization and h.job_id = k.queue_job
            )
        )
),
found as (
    select c.*
    from fitting f
    cross join lateral (
        select a.uuid, a.number, a.organization, a.job_id, a.priority, a.version, a.created_position
        from view_active.active a
        where a.claimable
            and a.organization = f.organization
            and a.queue_job = f.queue_job
            and a.step_types = f.step_types
        order by a.priority desc, a.number
        limit case when f.queue_job = '' then $4::bigint else 1 end
    ) c
    union all
    select c.*
    from (
        select a.uuid, a.number, a.organization, a.job_id, a.priority, a.version, a.created_position
        from view_active.active a
        where a.timed
            and a.ready_at <= $3
            and ($1::text[] is null or a.organization = any($1))
            and a.step_types <@ $2::text[]
            and not (
                a.queue_job <> ''
                and exists (
                    select from view_active.active h
                    where h.holds_slot and h.organization = a.organization
                        and h.job_id = a.queue_job
                )
            )
        order by a.ready_at
        limit $4
    ) c
)
select f.uuid, f.number, f.organization, f.job_id, f.priority, f.version
from found f
order by f.priority desc, f.number
limit $4;
