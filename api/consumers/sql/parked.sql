-- Streams that are set aside, as people see and treat them.

-- name: page
-- $1 consumer, $2 after id, $3 limit, $4 whether only parked ones, $5 types or null.
-- waiting: events of the stream behind the one in the way, as far as its shard has come.
select h.id, h.stream, h.shard, h.position, h.attempts, h.retry_at, h.parked_at, h.reason,
    h.held_at,
    (select count(*) from ledger.events e
        where e.stream = h.stream and e.position > h.position
            and e.position <= greatest(s.acked, coalesce(s.handed, 0))
            and ($5::text[] is null or e.type = any($5))) as waiting
from consumers.held h
join consumers.shard s on s.consumer = h.consumer and s.shard = h.shard
where h.consumer = $1 and h.id > $2 and (not $4 or h.parked_at is not null)
order by h.id
limit $3;

-- name: replay
-- $1 consumer, $2 streams or null for all. They are tried anew from the event in the way.
update consumers.held set parked_at = null, retry_at = now(), attempts = 0, alone = false
where consumer = $1 and handed is null and ($2::text[] is null or stream = any($2))
returning stream;

-- name: discard
-- $1 consumer, $2 streams. The event in the way is given up; those behind it go on.
update consumers.held
set parked_at = null, retry_at = now(), attempts = 0, alone = false,
    after = greatest(after, position)
where consumer = $1 and handed is null and stream = any($2::text[])
returning stream, position;
