-- What endings.py does, in the generation's own schema (unqualified names).

-- name: add
-- Parallel arrays, one element a job: organization, job id, and what to add to each count.
insert into endings as c (organization, job_id, open, ok, warning, error, aborted)
select * from unnest(
    $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
on conflict (organization, job_id) do update set
    open = c.open + excluded.open,
    ok = c.ok + excluded.ok,
    warning = c.warning + excluded.warning,
    error = c.error + excluded.error,
    aborted = c.aborted + excluded.aborted;

-- name: drop_zeros
-- $1 organizations, $2 job ids (parallel). A rebuild would not make rows for what was erased.
delete from endings c
using unnest($1::text[], $2::text[]) as n (organization, job_id)
where c.organization = n.organization and c.job_id = n.job_id
    and c.open = 0 and c.ok = 0 and c.warning = 0 and c.error = 0 and c.aborted = 0;
