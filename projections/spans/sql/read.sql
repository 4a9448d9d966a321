-- Reading the spans view; see ../../executions/sql/read.sql for the form of the answers.

-- name: page
-- $1 organization or null for all, $2 position, $3 job id or null, $4 whether deleted ones are shown,
-- $5 before (created_position, exclusive) or null, $6 limit. Newest first. Planned with the values at
-- hand.
select p.position as reflects, s.*
from projections.projection p
left join lateral (
    select s.uuid, s.opened_at as created_position
    from view_spans.spans s
    where s.open_at @> $2::bigint
        and ($1::text is null or s.organization = $1)
        and ($3::text is null or s.job_id = $3)
        and ($4 or not s.deleted)
        and ($5::bigint is null or s.opened_at < $5)
    order by s.opened_at desc
    limit $6
) s on true
where p.name = 'spans' and p.generation = 'live';
