-- What projector.py does, in the generation's own schema (unqualified names).

-- name: load
-- $1 uuids.
select uuid, state from documents where uuid = any($1::uuid[]);

-- name: upsert
-- Parallel arrays, one element a row; tags, dependencies and documents as literals. A row that is
-- further stays.
insert into documents as d (
    uuid, oid, organization, job_id, job_key, pipeline_id, phase, created_at, started_at, ended_at,
    title, title_key, "user", storage_id, tags, depends_on, input, input_key, output, output_key,
    hidden, created_position, version, state)
select n.uuid, n.oid, n.organization, n.job_id, n.job_key, n.pipeline_id, n.phase, n.created_at,
    n.started_at, n.ended_at, n.title, n.title_key, n."user", n.storage_id, n.tags::text[],
    n.depends_on::text[], n.input::jsonb, n.input_key::jsonb, n.output::jsonb, n.output_key::jsonb,
    n.hidden, n.created_position, n.version, n.state
from unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[], $13::text[],
    $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[],
    $21::boolean[], $22::bigint[], $23::integer[], $24::bytea[]
) as n (
    uuid, oid, organization, job_id, job_key, pipeline_id, phase, created_at, started_at, ended_at,
    title, title_key, "user", storage_id, tags, depends_on, input, input_key, output, output_key,
    hidden, created_position, version, state)
on conflict (uuid) do update set
    job_id = excluded.job_id,
    job_key = excluded.job_key,
    pipeline_id = excluded.pipeline_id,
    phase = excluded.phase,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    title = excluded.title,
    title_key = excluded.title_key,
    "user" = excluded."user",
    storage_id = excluded.storage_id,
    tags = excluded.tags,
    depends_on = excluded.depends_on,
    input = excluded.input,
    input_key = excluded.input_key,
    output = excluded.output,
    output_key = excluded.output_key,
    hidden = excluded.hidden,
    version = excluded.version,
    state = excluded.state
where d.version < excluded.version;

-- name: add_counts
-- Parallel arrays: organizations, job ids, job keys, pipeline ids, phases, hours, what to add.
insert into counts as c (organization, job_id, job_key, pipeline_id, phase, hour, count)
select * from unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[])
on conflict (organization, job_id, pipeline_id, phase, hour) do update set
    count = c.count + excluded.count;

-- name: drop_zero_counts
-- As in add_counts, without the last. A rebuild would not make rows for what has moved on.
delete from counts c
using unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    as n (organization, job_id, pipeline_id, phase, hour)
where c.organization = n.organization and c.job_id = n.job_id and c.pipeline_id = n.pipeline_id
    and c.phase = n.phase and c.hour = n.hour and c.count = 0;
