-- What was open as of a position; see ../../executions/sql/read.sql for the form of the answers.

-- name: open_then
-- $1 organization or null for all, $2 position, $3 job id or null, $4 whether deleted ones are shown,
-- $5 before (created_position, exclusive) or null, $6 limit. Newest first. Planned with the values at
-- hand.
-- Those closed since are all found by their intervals before they are put in order: no plan then looks
-- for a page of them through everything that was created later.
with closed_since as materialized (
    select e.uuid, e.created_position
    from view_executions.executions e
    where e.closed_position is not null
        and int8range(e.created_position, e.closed_position) @> $2::bigint
        and ($1::text is null or e.organization = $1)
        and ($3::text is null or e.job_id = $3)
        and ($4 or not e.deleted)
        and ($5::bigint is null or e.created_position < $5)
), still_open as (
    select e.uuid, e.created_position
    from view_executions.executions e
    where e.status in ('pending', 'running', 'pausing', 'paused', 'aborting')
        and e.created_position <= $2
        and ($1 is null or e.organization = $1)
        and ($3 is null or e.job_id = $3)
        and ($4 or not e.deleted)
        and ($5 is null or e.created_position < $5)
    order by e.created_position desc
    limit $6
)
select p.position as reflects, e.*
from projections.projection p
left join lateral (
    select * from closed_since
    union all
    select * from still_open
    order by created_position desc
    limit $6
) e on true
where p.name = 'executions' and p.generation = 'live';
