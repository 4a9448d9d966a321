-- Reading the history view; see ../../executions/sql/read.sql for the form of the answers.

-- name: page
-- $1 organization or null for all, $2 job_id or null, $3 before (created_position, exclusive) or null,
-- $4 limit. Newest first. Planned with the values at hand.
select p.position as reflects, h.*
from projections.projection p
left join lateral (
    select h.uuid, h.number, h.organization, h.job_id, h.status, h.outcome, h.cause, h.exit_code,
        h.attempt, h.created_at, h.started_at, h.ended_at, h.duration_ms, h.is_restart, h."user",
        h.trigger, h.deleted_at, h.deleted_by, h.erased, h.created_position
    from view_history.history h
    where ($1::text is null or h.organization = $1)
        and ($2::text is null or h.job_id = $2)
        and ($3::bigint is null or h.created_position < $3)
    order by h.created_position desc
    limit $4
) h on true
where p.name = 'history' and p.generation = 'live';

-- name: estimate
-- $1 organization, $2 job ids. Median duration of the last 20 that ended ok; no row when there is none.
select j.job_id, d.typical_ms
from unnest($2::text[]) as j (job_id)
cross join lateral (
    select percentile_cont(0.5) within group (order by r.duration_ms) as typical_ms
    from (
        select h.duration_ms
        from view_history.history h
        where h.organization = $1 and h.job_id = j.job_id
            and h.status = 'finished' and h.outcome = 'ok' and h.duration_ms is not null
        order by h.created_position desc
        limit 20
    ) r
) d
where d.typical_ms is not null;
