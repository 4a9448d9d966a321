-- What projector.py does, in the generation's own schema (unqualified names).

-- name: open
-- Parallel arrays, one element an execution: uuid, organization, job id, position of its creation.
insert into spans (uuid, organization, job_id, opened_at, open_at, deleted)
select n.uuid, n.organization, n.job_id, n.opened_at, int8range(n.opened_at, null), false
from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[])
    as n (uuid, organization, job_id, opened_at)
on conflict (uuid) do nothing;

-- name: close
-- Parallel arrays, one element an execution: uuid, position of its end, or null if it has not ended;
-- whether it was deleted; whether it was erased.
update spans s set
    open_at = case
        when upper_inf(s.open_at) then int8range(lower(s.open_at), n.closed_at) else s.open_at end,
    deleted = s.deleted or n.deleted,
    job_id = case when n.erased then '' else s.job_id end
from unnest($1::uuid[], $2::bigint[], $3::boolean[], $4::boolean[])
    as n (uuid, closed_at, deleted, erased)
where s.uuid = n.uuid;
