-- What counts.py does, in the generation's own schema (unqualified names).

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
