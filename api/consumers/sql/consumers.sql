-- Consumers themselves: making, finding, changing, and their standing.

-- name: create
-- $1 organization, $2 kind, $3 name, $4 description, $5 types or null, $6 job id or null,
-- $7 with keys, $8 lease_s, $9 max attempts, $10 backoff_s, $11 backoff_max_s, $12 position to
-- begin after, $13 actor. No row when the name is taken. Makes the shards too.
with made as (
    insert into consumers.consumer (organization, kind, name, description, types, job_id,
        with_keys, lease_s, max_attempts, backoff_s, backoff_max_s, scanned, created_by)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    on conflict (organization, kind, name) do nothing
    returning *
), shards as (
    insert into consumers.shard (consumer, shard, acked)
    select made.id, s, $12 from made, generate_series(0, 63) s
)
select * from made;

-- name: find
-- $1 organization, $2 kind, $3 name.
select * from consumers.consumer where organization = $1 and kind = $2 and name = $3;

-- name: count
-- $1 organization, $2 kind.
select count(*) from consumers.consumer where organization = $1 and kind = $2;

-- name: page
-- $1 organizations or null for all, $2 kind, $3 after id, $4 limit. By id.
select * from consumers.consumer
where ($1::text[] is null or organization = any($1)) and kind = $2 and id > $3
order by id
limit $4;

-- name: by_id
-- $1 consumer.
select * from consumers.consumer where id = $1;

-- name: lock
-- $1 consumer. Taken first by whoever changes anything of a consumer, held to the commit.
select * from consumers.consumer where id = $1 for no key update;

-- name: change
-- $1 consumer, $2 description, $3 lease_s, $4 max attempts, $5 backoff_s, $6 backoff_max_s.
update consumers.consumer set description = $2, lease_s = $3, max_attempts = $4, backoff_s = $5,
    backoff_max_s = $6
where id = $1
returning *;

-- name: delete
-- $1 consumer. Members, shards and what was set aside go with it.
delete from consumers.consumer where id = $1;

-- name: reset
-- $1 consumer, $2 position. What is out is lost to its members; nothing is set aside any more.
with moved as (
    update consumers.consumer set scanned = $2 where id = $1
), freed as (
    delete from consumers.held where consumer = $1
)
update consumers.shard set epoch = epoch + 1, acked = $2, latest = 0, handed = null,
    handed_first = null, handed_last = null, lease_until = null, losses = 0, suspect = 0, careful = 0
where consumer = $1;

-- name: standing
-- $1 consumers. How each stands: done is the position below which nothing waits in its shards.
select c.id as consumer, c.scanned,
    (select min(case when s.acked >= s.latest then greatest(s.acked, c.scanned) else s.acked end)
        from consumers.shard s where s.consumer = c.id) as done,
    (select count(*) from consumers.shard s
        where s.consumer = c.id and s.handed is not null and s.lease_until > now()) as shards_out,
    (select count(*) from consumers.member m
        where m.consumer = c.id and m.expires_at > now()) as members,
    (select count(*) from consumers.held h
        where h.consumer = c.id and h.parked_at is not null) as parked,
    (select count(*) from consumers.held h
        where h.consumer = c.id and h.parked_at is null) as retrying
from consumers.consumer c
where c.id = any($1);

-- name: measured
-- $1 organizations or null for all, $2 limit. The consumers that were made first.
select id, organization, kind, name from consumers.consumer
where $1::text[] is null or organization = any($1)
order by id
limit $2;
