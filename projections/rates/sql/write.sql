-- What projector.py does, in the generation's own schema (unqualified names).

-- name: counted_up_to
-- Parallel arrays, one element a row: minute, organization. The last event that was counted in each.
select r.minute, r.organization, r.position
from unnest($1::timestamptz[], $2::text[]) as w (minute, organization)
join rates r on r.minute = w.minute and r.organization = w.organization;

-- name: count
-- Parallel arrays, one element a row: minute, organization, what is to be added, last position.
insert into rates as r (minute, organization, created, started, finished, aborted, position)
select * from unnest(
    $1::timestamptz[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
    $7::bigint[])
on conflict (minute, organization) do update set
    created = r.created + excluded.created,
    started = r.started + excluded.started,
    finished = r.finished + excluded.finished,
    aborted = r.aborted + excluded.aborted,
    position = excluded.position;
