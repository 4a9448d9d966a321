-- Who is there, and which shards they own. All by the database's clock.

-- name: members
-- $1 consumer. Stays of members, those who joined first first.
select id, name, expires_at > now() as is_alive,
    extract(epoch from expires_at - now())::double precision as left_s
from consumers.member
where consumer = $1
order by id;

-- name: shards
-- $1 consumer. All 64, by number.
select shard, member, epoch, acked, latest, handed, careful,
    coalesce(lease_until <= now(), false) as is_over
from consumers.shard
where consumer = $1
order by shard;

-- name: out
-- $1 consumer. Streams set aside that are handed out now.
select shard, member, alone, lease_until <= now() as is_over
from consumers.held
where consumer = $1 and handed is not null;

-- name: due
-- $1 consumer, $2 shards, $3 limit. Streams set aside whose time to be tried has come; not before
-- their shard has passed the event that failed, since the rest of what was out with it may come back.
select h.id, h.stream, h.shard, h.after, h.position, h.attempts, h.alone, h.epoch
from consumers.held h
join consumers.shard s on s.consumer = h.consumer and s.shard = h.shard
where h.consumer = $1 and h.handed is null and h.retry_at <= now()
    and h.shard = any($2::smallint[]) and s.acked >= h.position
order by h.retry_at, h.id
limit $3;

-- name: join
-- $1 consumer, $2 name, $3 lease_s. Begins a stay, or prolongs the one that goes on.
insert into consumers.member as m (consumer, name, expires_at)
values ($1, $2, now() + make_interval(secs => $3))
on conflict (consumer, name) do update set expires_at = greatest(m.expires_at, excluded.expires_at)
returning m.id, xmax = 0 as is_new;

-- name: bury
-- $1 consumer. Ends the stays that ran out; their shards are free. What such a member still has
-- out is past its lease too, see lose_shards.
delete from consumers.member where consumer = $1 and expires_at <= now() returning name;

-- name: give_up
-- $1 consumer, $2 member. A member starts anew: what it had been handed is lost.
with shards as (
    update consumers.shard set lease_until = now()
    where consumer = $1 and member = $2 and handed is not null
)
update consumers.held set lease_until = now()
where consumer = $1 and member = $2 and handed is not null;

-- name: lose_shards
-- $1 consumer. Ends the leases of shards that ran out: an event that was out alone is set aside,
-- anything else will be handed out carefully. Gives the shards.
with over as (
    select s.shard, s.handed, s.handed_first, s.careful, c.max_attempts, c.backoff_s,
        c.backoff_max_s,
        case when coalesce(s.handed_first, s.acked + 1) <= s.suspect
            then s.losses + 1 else 1 end as attempts
    from consumers.shard s
    join consumers.consumer c on c.id = s.consumer
    where s.consumer = $1 and s.handed is not null and s.lease_until <= now()
), guilty as (
    select over.*, e.stream
    from over
    join ledger.events e on e.position = over.handed_first
    where over.careful = 1
), aside as (
    insert into consumers.held (consumer, stream, shard, after, position, attempts, retry_at,
        parked_at, reason, alone)
    select $1, g.stream, g.shard, g.handed_first - 1, g.handed_first, g.attempts,
        case when g.attempts < g.max_attempts
            then now() + consumers.backoff(g.attempts, g.backoff_s, g.backoff_max_s) end,
        case when g.attempts >= g.max_attempts then now() end,
        'the lease ended without an answer', true
    from guilty g
    on conflict (consumer, stream) do nothing
)
update consumers.shard s
set epoch = s.epoch + 1,
    acked = case when over.careful = 1 then greatest(s.acked, over.handed) else s.acked end,
    losses = case when over.careful = 1 then 0 else over.attempts end,
    suspect = case when over.careful = 1 then 0 else over.handed end,
    careful = 1,
    handed = null, handed_first = null, handed_last = null, lease_until = null
from over
where s.consumer = $1 and s.shard = over.shard
returning s.shard;

-- name: lose_held
-- $1 consumer. Ends the leases of streams set aside that ran out: later, alone, or parked.
update consumers.held h
set epoch = h.epoch + 1, alone = true, member = null, handed = null, handed_last = null,
    lease_until = null, reason = 'the lease ended without an answer',
    retry_at = case when h.attempts < c.max_attempts
        then now() + consumers.backoff(h.attempts, c.backoff_s, c.backoff_max_s) end,
    parked_at = case when h.attempts >= c.max_attempts then now() end
from consumers.consumer c
where h.consumer = $1 and c.id = $1 and h.handed is not null and h.lease_until <= now()
returning h.stream;

-- name: move
-- $1 consumer, $2 shards, $3 member or null. Shards change hands; nothing of them is out.
update consumers.shard set member = $3
where consumer = $1 and shard = any($2::smallint[]) and handed is null;

-- name: prolong
-- $1 consumer, $2 member, $3 lease_s. Prolongs a stay and everything that its member has out.
-- Gives what is still out.
with stay as (
    update consumers.member set expires_at = now() + make_interval(secs => $3)
    where consumer = $1 and id = $2
), shards as (
    update consumers.shard set lease_until = now() + make_interval(secs => $3)
    where consumer = $1 and member = $2 and handed is not null and lease_until > now()
    returning shard, epoch, null::bigint as held
), held as (
    update consumers.held set lease_until = now() + make_interval(secs => $3)
    where consumer = $1 and member = $2 and handed is not null and lease_until > now()
    returning shard, epoch, id as held
)
select * from shards union all select * from held;

-- name: leave
-- $1 consumer, $2 member. Ends a stay in good order: what is out was not failed, only given back,
-- so it is not counted. Its shards are free.
with shards as (
    update consumers.shard set epoch = epoch + 1,
        handed = null, handed_first = null, handed_last = null, lease_until = null, member = null
    where consumer = $1 and member = $2
), held as (
    update consumers.held set epoch = epoch + 1, attempts = greatest(attempts - 1, 0),
        member = null, handed = null, handed_last = null, lease_until = null, retry_at = now()
    where consumer = $1 and member = $2 and handed is not null
)
delete from consumers.member where consumer = $1 and id = $2;
