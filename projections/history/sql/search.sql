-- Searching the executions view for executions that are there (neither deleted nor erased).
-- A word is what a finished execution's exit code says, and any other's status in capitals.
-- Instants are compared as they are shown, cut to the millisecond; bounds are whole milliseconds.

-- name: page
-- $1 organizations or null for all, $2 job ids or null, $3 numbers or null, $4 words or null,
-- $5 started from, $6 started before, $7 ended from, $8 ended before (null: not asked for),
-- $9 what to sort by (id, job_id, start_time, end_time, status), $10 whether descending,
-- $11 offset, $12 limit. What has no instant comes last; ties by number, newest first.
-- Planned with the values at hand (see projections/reading.py), so conditions on null vanish.
select p.position as reflects, e.uuid
from projections.projection p
left join lateral (
    select e.uuid, row_number() over () as place
    from (
        select e.uuid
        from view_executions.executions e
        where ($1::text[] is null or e.organization = any($1))
            and not e.hidden
            and ($2::text[] is null or e.job_id = any($2))
            and ($3::bigint[] is null or e.number = any($3))
            and ($4::text[] is null
                or case e.status when 'finished' then e.exit_code else upper(e.status) end = any($4))
            and ($5::timestamptz is null or e.started_at >= $5)
            and ($6::timestamptz is null or e.started_at < $6)
            and ($7::timestamptz is null or e.ended_at >= $7)
            and ($8::timestamptz is null or e.ended_at < $8)
        order by
            case when $9::text = 'id' and not $10::boolean then e.number end,
            case when $9 = 'job_id' and not $10 then e.job_id end,
            case when $9 = 'job_id' and $10 then e.job_id end desc,
            case when $9 = 'start_time' and not $10 then e.started_at end nulls last,
            case when $9 = 'start_time' and $10 then e.started_at end desc nulls last,
            case when $9 = 'end_time' and not $10 then e.ended_at end nulls last,
            case when $9 = 'end_time' and $10 then e.ended_at end desc nulls last,
            case when $9 = 'status' and not $10
                then case e.status when 'finished' then e.exit_code else upper(e.status) end end,
            case when $9 = 'status' and $10
                then case e.status when 'finished' then e.exit_code else upper(e.status) end end desc,
            e.number desc
        offset $11 limit $12
    ) e
) e on true
where p.name = 'executions' and p.generation = 'live'
order by e.place;

-- name: total
-- $1 to $8 as in `page`.
select count(*)
from view_executions.executions e
where ($1::text[] is null or e.organization = any($1))
    and not e.hidden
    and ($2::text[] is null or e.job_id = any($2))
    and ($3::bigint[] is null or e.number = any($3))
    and ($4::text[] is null
        or case e.status when 'finished' then e.exit_code else upper(e.status) end = any($4))
    and ($5::timestamptz is null or e.started_at >= $5)
    and ($6::timestamptz is null or e.started_at < $6)
    and ($7::timestamptz is null or e.ended_at >= $7)
    and ($8::timestamptz is null or e.ended_at < $8);

-- name: scan
-- $1 to $8 as in `page`, $9 before (created_position, exclusive) or null, $10 limit. Newest first.
select p.position as reflects, e.*
from projections.projection p
left join lateral (
    select e.uuid, e.number, e.job_id, e.started_at, e.ended_at, e.created_position,
        case e.status when 'finished' then e.exit_code else upper(e.status) end as word
    from view_executions.executions e
    where ($1::text[] is null or e.organization = any($1))
        and not e.hidden
        and ($2::text[] is null or e.job_id = any($2))
        and ($3::bigint[] is null or e.number = any($3))
        and ($4::text[] is null
            or case e.status when 'finished' then e.exit_code else upper(e.status) end = any($4))
        and ($5::timestamptz is null or e.started_at >= $5)
        and ($6::timestamptz is null or e.started_at < $6)
        and ($7::timestamptz is null or e.ended_at >= $7)
        and ($8::timestamptz is null or e.ended_at < $8)
        and ($9::bigint is null or e.created_position < $9)
    order by e.created_position desc
    limit $10
) e on true
where p.name = 'executions' and p.generation = 'live';
