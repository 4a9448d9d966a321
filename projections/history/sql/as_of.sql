-- What was open as of a position; see ../../executions/sql/read.sql for the form of the answers.

-- name: open_then
-- $1 organization or null for all, $2 position, $3 job id or null, $4 whether deleted ones are shown,
-- $5 before (created_position, exclusive) or null, $6 limit. Newest first. Planned with the values at
-- hand.
-- Those closed since are all found by their intervals before they are put in order: no plan then looks
-- for a page of them through everything that was created later.
with closed_since as materialized (
    select h.uuid, h.created_position
    from view_history.history h
    where h.closed_position is not null
        and int8range(h.created_position, h.closed_position) @> $2::bigint
        and ($1::text is null or h.organization = $1)
        and ($3::text is null or h.job_id = $3)
        and ($4 or h.deleted_at is null)
        and ($5::bigint is null or h.created_position < $5)
), still_open as (
    select h.uuid, h.created_position
    from view_history.history h
    where h.closed_position is null
        and h.created_position <= $2
        and ($1 is null or h.organization = $1)
        and ($3 is null or h.job_id = $3)
        and ($4 or h.deleted_at is null)
        and ($5 is null or h.created_position < $5)
    order by h.created_position desc
    limit $6
)
select p.position as reflects, h.*
from projections.projection p
left join lateral (
    select * from closed_since
    union all
    select * from still_open
    order by created_position desc
    limit $6
) h on true
where p.name = 'history' and p.generation = 'live';
