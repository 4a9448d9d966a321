-- Reading the executions view; see ../../executions/sql/read.sql for the form of the answers.

-- name: page
-- $1 organization or null for all, $2 job_id or null, $3 before (created_position, exclusive) or null,
-- $4 limit. Newest first. Planned with the values at hand.
select p.position as reflects, e.*
from projections.projection p
left join lateral (
    select e.state, e.duration_ms, e.deleted_at, e.deleted_by, e.created_position
    from view_executions.executions e
    where ($1::text is null or e.organization = $1)
        and ($2::text is null or e.job_id = $2)
        and ($3::bigint is null or e.created_position < $3)
    order by e.created_position desc
    limit $4
) e on true
where p.name = 'executions' and p.generation = 'live';

-- name: estimate
-- $1 organization, $2 job ids. Median duration of the last 20 that ended ok; no row when there is none.
select j.job_id, d.typical_ms
from unnest($2::text[]) as j (job_id)
cross join lateral (
    select percentile_cont(0.5) within group (order by r.duration_ms) as typical_ms
    from (
        select e.duration_ms
        from view_executions.executions e
        where e.organization = $1 and e.job_id = j.job_id
            and e.status = 'finished' and e.outcome = 'ok' and e.duration_ms is not null
        order by e.created_position desc
        limit 20
    ) r
) d
where d.typical_ms is not null;
