-- The reactor's place in the log, and what it has to try again. Small, mutable, not part of the log.

-- name: hold
-- $1 name, $2 owner, $3 seconds. The place, if it is ours or nobody's; no row otherwise.
update ledger.reactors set owner = $2, held_until = now() + make_interval(secs => $3)
where name = $1 and (owner = $2 or owner is null or held_until <= now())
returning position;

-- name: place
-- $1 name. Everything up to here was reacted to, or is put off.
select position from ledger.reactors where name = $1;

-- name: advance
-- $1 name, $2 owner, $3 position, $4 seconds. Moves on, and keeps the hold; no row when it was lost.
-- What lies below was handled either way, so a place never moves back.
update ledger.reactors
set position = greatest(position, $3), held_until = now() + make_interval(secs => $4)
where name = $1 and owner = $2
returning position;

-- name: let_go
-- $1 name, $2 owner.
update ledger.reactors set owner = null, held_until = null where name = $1 and owner = $2;

-- name: put_off
-- $1 stream, $2 position, $3 seconds until it is tried again, doubled with each try up to an hour,
-- $4 the kind of the error.
insert into ledger.reactions as r (stream, position, tries, retry_at, error)
values ($1, $2, 1, now() + make_interval(secs => $3), $4)
on conflict (stream) do update set
    tries = r.tries + 1,
    retry_at = now() + make_interval(secs => least($3 * 2.0 ^ least(r.tries, 20), 3600)),
    error = excluded.error;

-- name: due
-- $1 limit. What is to be tried again.
select stream, position from ledger.reactions where retry_at <= now() order by retry_at limit $1;

-- name: done
-- $1 stream.
delete from ledger.reactions where stream = $1;
