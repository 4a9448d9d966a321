-- Reading several executions at once; see read.sql for the form of the answers.

-- name: by_uuids
-- $1 uuids, $2 organizations or null for all. Deleted ones are not found.
select p.position as reflects, e.uuid, e.state
from projections.projection p
left join view_executions.executions e
    on e.uuid = any($1::uuid[])
    and ($2::text[] is null or e.organization = any($2))
    and not e.deleted
where p.name = 'executions' and p.generation = 'live';
