-- Reading the keys view; see ../../executions/sql/read.sql for the form of the answers.

-- name: by_public_id
-- $1 public id, $2 organizations or null for all. Keys that are not revoked first, then the newest.
select p.position as reflects, k.*
from projections.projection p
left join lateral (
    select k.*
    from view_keys.keys k
    where k.public_id = $1 and ($2::text[] is null or k.organizations <@ $2)
    order by k.revoked_at is not null, k.created_position desc
    limit 1
) k on true
where p.name = 'keys' and p.generation = 'live';

-- name: page
-- $1 organizations or null for all, $2 before (created_position, exclusive) or null, $3 limit.
-- Newest first. A caller sees the keys that reach no further than it does.
select p.position as reflects, k.*
from projections.projection p
left join lateral (
    select k.*
    from view_keys.keys k
    where ($1::text[] is null or k.organizations <@ $1)
        and ($2::bigint is null or k.created_position < $2)
    order by k.created_position desc
    limit $3
) k on true
where p.name = 'keys' and p.generation = 'live';
