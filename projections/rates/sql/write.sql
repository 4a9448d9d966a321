-- What projector.py does, in the generation's own schema (unqualified names).

-- name: count
-- Parallel arrays, one element an event: organization, minute, type, position. Events that a row has
-- counted are not counted again.
insert into rates as r (organization, minute, created, started, finished, aborted, position)
select n.organization, n.minute,
    count(*) filter (where n.type = 'execution.created'),
    count(*) filter (where n.type = 'execution.started'),
    count(*) filter (where n.type = 'execution.finished'),
    count(*) filter (where n.type = 'execution.canceled'),
    max(n.position)
from unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[])
    as n (organization, minute, type, position)
left join rates k on k.organization = n.organization and k.minute = n.minute
where n.position > coalesce(k.position, 0)
group by n.organization, n.minute
order by n.minute, n.organization
on conflict (minute, organization) do update set
    created = r.created + excluded.created,
    started = r.started + excluded.started,
    finished = r.finished + excluded.finished,
    aborted = r.aborted + excluded.aborted,
    position = excluded.position;
