-- Finding executions by what they carry; the tables are those of the executions view.

-- name: position
select position from projections.projection where name = 'executions' and generation = 'live';

-- name: find
-- $1 organization or null for all, $2 offset, $3 limit; `:condition` as compile.py makes it.
-- Newest first, then by id.
select d.created_ms, d.oid, d.state
from view_executions.executions d
where not d.hidden and ($1::text is null or d.organization = $1) and :condition
order by d.created_ms desc, d.oid desc
offset $2
limit $3;

-- name: count_found
-- $1 organization or null for all. Counts the rows.
select count(*)
from view_executions.executions d
where not d.hidden and ($1::text is null or d.organization = $1) and :condition;

-- name: add_up
-- $1 organization or null for all, $2 first hour or null, $3 hour after the last or null. Adds up what
-- was counted when it came; the condition is about job, pipeline and phase only.
select coalesce(sum(d.count), 0)::bigint
from view_executions.counts d
where ($1::text is null or d.organization = $1)
    and ($2::timestamptz is null or d.hour >= $2)
    and ($3::timestamptz is null or d.hour < $3)
    and :condition;

-- name: list_up
-- $1 organization or null for all, $2 user, $3 storage, $4 job ids, $5 phases, $6 tags (any of),
-- $7 tags (all of), $8 what it depends on; null: not asked for. $9 position, exclusive, or null,
-- $10 limit. Oldest first. Planned with the values at hand, so conditions on null vanish.
select d.created_position, d.state
from view_executions.executions d
where not d.hidden
    and ($1::text is null or d.organization = $1)
    and ($2::text is null or d."user" = $2)
    and ($3::text is null or d.storage_id = $3)
    and ($4::text[] is null or d.job_id = any($4))
    and ($5::text[] is null or d.phase = any($5))
    and ($6::text[] is null or d.tags && $6)
    and ($7::text[] is null or d.tags @> $7)
    and ($8::text is null or $8 = any(d.depends_on))
    and ($9::bigint is null or d.created_position > $9)
order by d.created_position
limit $10;

-- name: list_down
-- As list_up, newest first; $9 is the position to go on below.
select d.created_position, d.state
from view_executions.executions d
where not d.hidden
    and ($1::text is null or d.organization = $1)
    and ($2::text is null or d."user" = $2)
    and ($3::text is null or d.storage_id = $3)
    and ($4::text[] is null or d.job_id = any($4))
    and ($5::text[] is null or d.phase = any($5))
    and ($6::text[] is null or d.tags && $6)
    and ($7::text[] is null or d.tags @> $7)
    and ($8::text is null or $8 = any(d.depends_on))
    and ($9::bigint is null or d.created_position < $9)
order by d.created_position desc
limit $10;

-- name: count_listed
-- $1 to $8 as in list_up. Counts the rows.
select count(*)
from view_executions.executions d
where not d.hidden
    and ($1::text is null or d.organization = $1)
    and ($2::text is null or d."user" = $2)
    and ($3::text is null or d.storage_id = $3)
    and ($4::text[] is null or d.job_id = any($4))
    and ($5::text[] is null or d.phase = any($5))
    and ($6::text[] is null or d.tags && $6)
    and ($7::text[] is null or d.tags @> $7)
    and ($8::text is null or $8 = any(d.depends_on));

-- name: add_up_listed
-- $1 organization or null for all, $2 job ids, $3 phases; null: not asked for.
select coalesce(sum(d.count), 0)::bigint
from view_executions.counts d
where ($1::text is null or d.organization = $1)
    and ($2::text[] is null or d.job_id = any($2))
    and ($3::text[] is null or d.phase = any($3));
