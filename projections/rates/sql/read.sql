-- Reading the rates view; see ../../executions/sql/read.sql for the form of the answers.

-- name: since
-- $1 organizations or null for all, $2 the first minute. Oldest first.
select p.position as reflects, r.*
from projections.projection p
left join lateral (
    select r.minute, sum(r.created)::bigint as created, sum(r.started)::bigint as started,
        sum(r.finished)::bigint as finished, sum(r.aborted)::bigint as aborted
    from view_rates.rates r
    where r.minute >= $2 and ($1::text[] is null or r.organization = any($1))
    group by r.minute
) r on true
where p.name = 'rates' and p.generation = 'live'
order by r.minute;
