-- Reading the jobs view; see ../../executions/sql/read.sql for the form of the answers.
-- A job's last execution and its counts are the executions view's, so an answer reflects what both do.
-- The last one is asked for by ranges that hold one job of one organization, in the order of the index on
-- them: by equality, the planner may look through everybody's newest rows for a job that has none.

-- name: by_job_id
-- $1 job id.
-- $2 organizations or null for all, $3 whether retired ones are found. Of several organizations' the first by name.
select least(p.position, x.position) as reflects, j.state, l.uuid as last_uuid, l.number as last_number,
    l.status as last_status, l.outcome as last_outcome, l.created_at as last_created_at,
    l.ended_at as last_ended_at, c.open, c.ok, c.warning, c.error, c.aborted
from projections.projection p
join projections.projection x on x.name = 'executions' and x.generation = 'live'
left join lateral (
    select j.organization, j.job_id, j.state
    from view_jobs.jobs j
    where j.job_id = $1::text
        and ($2::text[] is null or j.organization = any($2))
        and ($3::boolean or not j.retired)
    order by j.retired, j.organization, j.job_id
    limit 1
) j on true
left join lateral (
    select r.uuid, r.number, r.status, r.outcome, r.created_at, r.ended_at
    from view_executions.executions r
    where r.organization >= j.organization and r.organization <= j.organization
        and r.job_id >= j.job_id and r.job_id <= j.job_id
        and not r.deleted
    order by r.organization desc, r.job_id desc, r.created_position desc
    limit 1
) l on true
left join view_executions.endings c on c.organization = j.organization and c.job_id = j.job_id
where p.name = 'jobs' and p.generation = 'live';

-- name: by_uuid
-- $1 uuid.
-- $2 organizations or null for all, $3 whether retired ones are found.
select least(p.position, x.position) as reflects, j.state, l.uuid as last_uuid, l.number as last_number,
    l.status as last_status, l.outcome as last_outcome, l.created_at as last_created_at,
    l.ended_at as last_ended_at, c.open, c.ok, c.warning, c.error, c.aborted
from projections.projection p
join projections.projection x on x.name = 'executions' and x.generation = 'live'
left join lateral (
    select j.organization, j.job_id, j.state
    from view_jobs.jobs j
    where j.uuid = $1::uuid
        and ($2::text[] is null or j.organization = any($2))
        and ($3::boolean or not j.retired)
    order by j.retired, j.organization, j.job_id
    limit 1
) j on true
left join lateral (
    select r.uuid, r.number, r.status, r.outcome, r.created_at, r.ended_at
    from view_executions.executions r
    where r.organization >= j.organization and r.organization <= j.organization
        and r.job_id >= j.job_id and r.job_id <= j.job_id
        and not r.deleted
    order by r.organization desc, r.job_id desc, r.created_position desc
    limit 1
) l on true
left join view_executions.endings c on c.organization = j.organization and c.job_id = j.job_id
where p.name = 'jobs' and p.generation = 'live';

-- name: by_number
-- $1 number.
-- $2 organizations or null for all, $3 whether retired ones are found.
select least(p.position, x.position) as reflects, j.state, l.uuid as last_uuid, l.number as last_number,
    l.status as last_status, l.outcome as last_outcome, l.created_at as last_created_at,
    l.ended_at as last_ended_at, c.open, c.ok, c.warning, c.error, c.aborted
from projections.projection p
join projections.projection x on x.name = 'executions' and x.generation = 'live'
left join lateral (
    select j.organization, j.job_id, j.state
    from view_jobs.jobs j
    where j.number = $1::bigint
        and ($2::text[] is null or j.organization = any($2))
        and ($3::boolean or not j.retired)
    order by j.retired, j.organization, j.job_id
    limit 1
) j on true
left join lateral (
    select r.uuid, r.number, r.status, r.outcome, r.created_at, r.ended_at
    from view_executions.executions r
    where r.organization >= j.organization and r.organization <= j.organization
        and r.job_id >= j.job_id and r.job_id <= j.job_id
        and not r.deleted
    order by r.organization desc, r.job_id desc, r.created_position desc
    limit 1
) l on true
left join view_executions.endings c on c.organization = j.organization and c.job_id = j.job_id
where p.name = 'jobs' and p.generation = 'live';

-- name: by_path
-- $1 paths, the first that a job has counts.
-- $2 organizations or null for all, $3 whether retired ones are found.
select least(p.position, x.position) as reflects, j.state, l.uuid as last_uuid, l.number as last_number,
    l.status as last_status, l.outcome as last_outcome, l.created_at as last_created_at,
    l.ended_at as last_ended_at, c.open, c.ok, c.warning, c.error, c.aborted
from projections.projection p
join projections.projection x on x.name = 'executions' and x.generation = 'live'
left join lateral (
    select j.organization, j.job_id, j.state
    from view_jobs.jobs j
    where j.path = any($1::text[]) and j.path <> ''
        and ($2::text[] is null or j.organization = any($2))
        and ($3::boolean or not j.retired)
    order by j.retired, array_position($1::text[], j.path), j.organization, j.job_id
    limit 1
) j on true
left join lateral (
    select r.uuid, r.number, r.status, r.outcome, r.created_at, r.ended_at
    from view_executions.executions r
    where r.organization >= j.organization and r.organization <= j.organization
        and r.job_id >= j.job_id and r.job_id <= j.job_id
        and not r.deleted
    order by r.organization desc, r.job_id desc, r.created_position desc
    limit 1
) l on true
left join view_executions.endings c on c.organization = j.organization and c.job_id = j.job_id
where p.name = 'jobs' and p.generation = 'live';

-- name: by_oid
-- $1 oid.
-- $2 organizations or null for all, $3 whether retired ones are found.
select least(p.position, x.position) as reflects, j.state, l.uuid as last_uuid, l.number as last_number,
    l.status as last_status, l.outcome as last_outcome, l.created_at as last_created_at,
    l.ended_at as last_ended_at, c.open, c.ok, c.warning, c.error, c.aborted
from projections.projection p
join projections.projection x on x.name = 'executions' and x.generation = 'live'
left join lateral (
    select j.organization, j.job_id, j.state
    from view_jobs.jobs j
    where j.oid = $1::text
        and ($2::text[] is null or j.organization = any($2))
        and ($3::boolean or not j.retired)
    order by j.retired, j.organization, j.job_id
    limit 1
) j on true
left join lateral (
    select r.uuid, r.number, r.status, r.outcome, r.created_at, r.ended_at
    from view_executions.executions r
    where r.organization >= j.organization and r.organization <= j.organization
        and r.job_id >= j.job_id and r.job_id <= j.job_id
        and not r.deleted
    order by r.organization desc, r.job_id desc, r.created_position desc
    limit 1
) l on true
left join view_executions.endings c on c.organization = j.organization and c.job_id = j.job_id
where p.name = 'jobs' and p.generation = 'live';

-- name: page
-- $1 organizations or null for all, $2 whether retired ones are listed, $3 tags (any of) or null,
-- $4 type or null, $5 prefix of the path or null, $6 and $7 after (job id and organization,
-- exclusive) or null, $8 limit. By job id, then organization.
select least(p.position, x.position) as reflects, j.state, l.uuid as last_uuid, l.number as last_number,
    l.status as last_status, l.outcome as last_outcome, l.created_at as last_created_at,
    l.ended_at as last_ended_at, c.open, c.ok, c.warning, c.error, c.aborted
from projections.projection p
join projections.projection x on x.name = 'executions' and x.generation = 'live'
left join lateral (
    select j.organization, j.job_id, j.state
    from view_jobs.jobs j
    where ($1::text[] is null or j.organization = any($1))
        and ($2::boolean or not j.retired)
        and ($3::text[] is null or j.tags && $3)
        and ($4::text is null or j.type = $4)
        and ($5::text is null or starts_with(j.path, $5))
        and ($6::text is null or (j.job_id, j.organization) > ($6, $7::text))
    order by j.job_id, j.organization
    limit $8
) j on true
left join lateral (
    select r.uuid, r.number, r.status, r.outcome, r.created_at, r.ended_at
    from view_executions.executions r
    where r.organization >= j.organization and r.organization <= j.organization
        and r.job_id >= j.job_id and r.job_id <= j.job_id
        and not r.deleted
    order by r.organization desc, r.job_id desc, r.created_position desc
    limit 1
) l on true
left join view_executions.endings c on c.organization = j.organization and c.job_id = j.job_id
where p.name = 'jobs' and p.generation = 'live';

-- name: total
-- $1 to $5 as in `page`.
select count(*)
from view_jobs.jobs j
where ($1::text[] is null or j.organization = any($1))
    and ($2::boolean or not j.retired)
    and ($3::text[] is null or j.tags && $3)
    and ($4::text is null or j.type = $4)
    and ($5::text is null or starts_with(j.path, $5));
