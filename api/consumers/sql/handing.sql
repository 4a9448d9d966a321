-- Moving on: what was looked through, what is handed out, and what was done with it.
-- Each runs under the consumer's lock (consumers.sql: lock).

-- name: scan
-- $1 consumer, $2 scanned as it was, $3 scanned from now on, $4 shards, $5 their last events in
-- between. Nothing happens if another was faster.
with moved as (
    update consumers.consumer set scanned = $3 where id = $1 and scanned = $2 returning id
)
update consumers.shard s
set acked = case when s.acked >= s.latest then greatest(s.acked, $2) else s.acked end,
    latest = h.latest
from moved, unnest($4::smallint[], $5::bigint[]) h (shard, latest)
where s.consumer = moved.id and s.shard = h.shard;

-- name: still_held
-- $1 consumer, $2 streams. Those of them that are set aside.
select stream from consumers.held where consumer = $1 and stream = any($2::text[]);

-- name: hand_out
-- $1 consumer, $2 member, $3 lease_s; by shard: $4 shards, $5 epochs as they were, $6 looked
-- through up to, $7 first and $8 last event to hand out, null when there is none. A shard of which
-- something is out by now, or whose epoch moved on, is left alone.
update consumers.shard s
set epoch = s.epoch + (h.last is not null)::int,
    acked = case when h.last is null then greatest(s.acked, h.through) else s.acked end,
    handed = case when h.last is null then null else h.through end,
    handed_first = h.first,
    handed_last = coalesce(h.last, s.handed_last),  -- of a lease that is done, for who repeats
    lease_until = case when h.last is null then null
        else now() + make_interval(secs => $3) end
from unnest($4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
    h (shard, epoch, through, first, last)
where s.consumer = $1 and s.member = $2 and s.shard = h.shard and s.epoch = h.epoch
    and s.handed is null
returning s.shard, s.epoch, s.handed_last, s.lease_until,
    case when s.handed_first <= s.suspect then s.losses + 1 else 1 end as attempts;

-- name: hand_out_held
-- $1 consumer, $2 member, $3 lease_s; by stream: $4 ids, $5 epochs as they were, $6 looked through
-- up to, $7 first and $8 last event to hand out.
update consumers.held h
set epoch = h.epoch + 1,
    position = n.first,
    attempts = case when h.position = n.first then h.attempts + 1 else 1 end,
    handed = n.through, handed_last = n.last, member = $2,
    lease_until = now() + make_interval(secs => $3)
from unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
    n (id, epoch, through, first, last)
where h.consumer = $1 and h.id = n.id and h.epoch = n.epoch and h.handed is null
    and h.retry_at is not null
    and exists (select from consumers.shard s
        where s.consumer = $1 and s.shard = h.shard and s.member = $2)
returning h.id, h.stream, h.shard, h.epoch, h.attempts, h.handed_last, h.lease_until;

-- name: stay
-- $1 member, $2 lease_s. A member is there at least as long as what it has out.
update consumers.member set expires_at = greatest(expires_at, now() + make_interval(secs => $2))
where id = $1;

-- name: unhold
-- $1 consumer, $2 ids, $3 positions. Streams of which nothing waits any more up to $3 return to
-- their shards, if those are still there: what is out of a shard was taken without the stream.
delete from consumers.held h
using unnest($2::bigint[], $3::bigint[]) n (id, passed), consumers.shard s
where h.consumer = $1 and h.id = n.id and h.handed is null and h.retry_at is not null
    and s.consumer = $1 and s.shard = h.shard
    and s.handed is null and s.acked <= n.passed
returning h.stream;

-- name: ack_shards
-- $1 consumer, $2 lease_s; $3 shards, $4 epochs, $5 positions (null: all of it). Gives those leases
-- that hold, the repeated acknowledgement of what was done already too.
update consumers.shard s
set acked = case
        when s.handed is null then s.acked
        when coalesce(a.position, s.handed_last) >= s.handed_last then s.handed
        else greatest(s.acked, a.position) end,
    losses = case
        when coalesce(a.position, s.handed_last) >= s.handed_last and s.handed >= s.suspect then 0
        else s.losses end,
    careful = case
        when s.handed is null or coalesce(a.position, s.handed_last) < s.handed_last then s.careful
        when s.losses > 1 and s.handed < s.suspect then s.careful
        when s.careful * 2 > 64 then 0
        else s.careful * 2 end,
    handed_first = case
        when coalesce(a.position, s.handed_last) >= s.handed_first then null
        else s.handed_first end,
    handed = case
        when coalesce(a.position, s.handed_last) >= s.handed_last then null else s.handed end,
    lease_until = case
        when coalesce(a.position, s.handed_last) >= s.handed_last then null
        else now() + make_interval(secs => $2) end
from unnest($3::smallint[], $4::bigint[], $5::bigint[]) a (shard, epoch, position)
where s.consumer = $1 and s.shard = a.shard and s.epoch = a.epoch
    and coalesce(a.position, s.handed_last) <= s.handed_last
returning s.shard, s.epoch, s.handed is null as is_done;

-- name: ack_held
-- $1 consumer, $2 lease_s; $3 ids, $4 epochs, $5 positions (null: all of it). As ack_shards.
update consumers.held h
set after = case
        when h.handed is null then h.after
        when coalesce(a.position, h.handed_last) >= h.handed_last then h.handed
        else greatest(h.after, a.position) end,
    retry_at = case
        when h.handed is not null and coalesce(a.position, h.handed_last) >= h.handed_last
            then now() else h.retry_at end,
    alone = h.alone and coalesce(a.position, h.handed_last) < h.position,
    lease_until = case
        when coalesce(a.position, h.handed_last) >= h.handed_last then null
        else now() + make_interval(secs => $2) end,
    member = case
        when coalesce(a.position, h.handed_last) >= h.handed_last then null else h.member end,
    handed = case
        when coalesce(a.position, h.handed_last) >= h.handed_last then null else h.handed end
from unnest($3::bigint[], $4::bigint[], $5::bigint[]) a (id, epoch, position)
where h.consumer = $1 and h.id = a.id and h.epoch = a.epoch
    and coalesce(a.position, h.handed_last) <= h.handed_last
returning h.id, h.shard, h.epoch, h.handed is null as is_done;

-- name: set_aside
-- $1 consumer, $2 shard, $3 epoch, $4 stream, $5 position, $6 reason, $7 whether to park,
-- $8 retry_after_s or null for the usual. Sets a stream aside at an event that is out with its
-- shard; one that was set aside before, at an earlier event, stays so. No row: the lease is lost.
with shard as (
    select s.*, c.max_attempts, c.backoff_s, c.backoff_max_s,
        case when $5 <= s.suspect then s.losses + 1 else 1 end as tried
    from consumers.shard s
    join consumers.consumer c on c.id = s.consumer
    where s.consumer = $1 and s.shard = $2 and s.epoch = $3
        and s.handed is not null and $5 > s.acked and $5 <= s.handed_last
), aside as (
    insert into consumers.held (consumer, stream, shard, after, position, attempts, retry_at,
        parked_at, reason)
    select $1, $4, $2, $5 - 1, $5, s.tried,
        case when not ($7 or s.tried >= s.max_attempts) then now() + coalesce(
            make_interval(secs => $8), consumers.backoff(s.tried, s.backoff_s, s.backoff_max_s))
            end,
        case when $7 or s.tried >= s.max_attempts then now() end,
        $6
    from shard s
    on conflict (consumer, stream) do nothing
)
select s.tried as attempts, $7 or s.tried >= s.max_attempts as is_parked from shard s;

-- name: fail_held
-- $1 consumer, $2 id, $3 epoch, $4 position, $5 reason, $6 whether to park, $7 retry_after_s or
-- null. A stream that was set aside failed again; what of it came before is done.
update consumers.held h
set after = greatest(h.after, $4 - 1),
    position = $4,
    attempts = case when h.position = $4 then h.attempts else 1 end,
    handed = null, handed_last = null, member = null, lease_until = null, alone = false,
    reason = $5,
    retry_at = case when not ($6
            or case when h.position = $4 then h.attempts else 1 end >= c.max_attempts)
        then now() + coalesce(make_interval(secs => $7),
            consumers.backoff(case when h.position = $4 then h.attempts else 1 end, c.backoff_s,
                c.backoff_max_s)) end,
    parked_at = case when $6
            or case when h.position = $4 then h.attempts else 1 end >= c.max_attempts
        then now() end
from consumers.consumer c
where h.consumer = $1 and c.id = $1 and h.id = $2 and h.epoch = $3 and h.handed is not null
    and $4 > h.after and $4 <= h.handed_last
returning h.attempts, h.parked_at is not null as is_parked;

-- name: stream_at
-- $1 position.
select stream from ledger.events where position = $1;
