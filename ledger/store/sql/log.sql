-- Reading the log and its streams.

-- name: head
-- The highest committed position.
select position from ledger.head;

-- name: read_log
-- $1 after (exclusive), $2 limit. By position, contiguous.
select position, stream, version, event_id, type, schema_version, organization, actor,
    occurred_at, recorded_at, correlation_id, causation_id, number, data_digest, salt, data
from ledger.events
where position > $1 and position <= $1 + $2
order by position;

-- name: read_beyond
-- $1 after (exclusive), $2 limit. By position, over a hole however wide.
select position, stream, version, event_id, type, schema_version, organization, actor,
    occurred_at, recorded_at, correlation_id, causation_id, number, data_digest, salt, data
from ledger.events
where position > $1
order by position
limit $2;

-- name: erasures
-- $1 after (position, exclusive), $2 limit. What was erased, in the order of the log.
select position, stream, version from ledger.erasures where position > $1 order by position limit $2;

-- name: read_stream
-- $1 stream, $2 after version (exclusive), $3 highest position or null. By version, contiguous.
-- The lower bound on position lets the planner skip partitions older than the stream.
select position, stream, version, event_id, type, schema_version, organization, actor,
    occurred_at, recorded_at, correlation_id, causation_id, number, data_digest, salt, data
from ledger.events
where stream = $1
    and version > $2
    and position >= (select s.first_position from ledger.streams s where s.stream = $1)
    and ($3::bigint is null or position <= $3)
order by version;

-- name: read_after
-- $1 streams, $2 for each the version after which it is read. By place among them (from 1) and version.
-- The lower bound on position is as in read_stream.
select w.place, e.position, e.stream, e.version, e.event_id, e.type, e.schema_version, e.organization,
    e.actor, e.occurred_at, e.recorded_at, e.correlation_id, e.causation_id, e.number, e.data_digest,
    e.salt, e.data
from unnest($1::text[], $2::integer[]) with ordinality as w (stream, after, place)
join ledger.streams s on s.stream = w.stream
cross join lateral (
    select *
    from ledger.events e
    where e.stream = w.stream and e.version > w.after and e.position >= s.first_position
    order by e.version
) e
order by w.place, e.version;

-- name: read_streams
-- $1 streams, $2 highest position. By stream and version.
select position, stream, version, event_id, type, schema_version, organization, actor,
    occurred_at, recorded_at, correlation_id, causation_id, number, data_digest, salt, data
from ledger.events
where stream = any($1::text[]) and position <= $2
order by stream, version;

-- name: claim_owner
-- $1 key. The stream that owns a key, and its value.
select stream, value from ledger.claims
where key = $1 and (expires_at is null or expires_at > now());

-- name: claims_under
-- $1 prefix, $2 the first key that does not begin with it. By key.
select key, stream, value from ledger.claims
where key >= $1 and key < $2 and (expires_at is null or expires_at > now())
order by key;

-- name: prefixes_in_use
-- $1 prefixes, $2 for each the first key that does not begin with it. Those that a key begins with.
select w.prefix
from unnest($1::text[], $2::text[]) as w (prefix, beyond)
where exists (
    select from ledger.claims c
    where c.key >= w.prefix and c.key < w.beyond and (c.expires_at is null or c.expires_at > now())
);

-- name: position_at
-- $1 instant. The last position recorded at or before it; recorded_at never decreases.
select coalesce(max(position), 0) from ledger.events where recorded_at <= $1;

-- name: append
-- See migrations/0007_append_items.sql.
select * from ledger.append_items($1, $2, $3, $4, $5, $6);

-- name: ensure_partitions
select ledger.ensure_partitions();

-- name: purge_claims
-- Forget keys whose time has passed; those an append is about to take over are left to it, since
-- two statements that lock several keys each could wait for each other.
delete from ledger.claims
where key in (
    select c.key from ledger.claims c where c.expires_at < now() for update skip locked
);

-- name: take_due
-- $1 limit, $2 how long (s) nobody else looks at what was taken. Streams whose timer has passed.
update ledger.streams set due_at = now() + make_interval(secs => $2)
where stream in (
    select s.stream from ledger.streams s
    where s.due_at <= now()
    order by s.due_at
    limit $1
    for update skip locked
)
returning stream;

-- name: next_due
-- The earliest instant at which a stream is due.
select min(due_at) from ledger.streams where due_at is not null;

-- name: set_due
-- $1 stream, $2 version, $3 instant or null. Corrects a timer, unless the stream moved on.
update ledger.streams set due_at = $3 where stream = $1 and version = $2;
