-- Checkpoints: progress, ownership, quarantine. See migrations/0001_projections.sql.

-- name: create
-- $1 name, $2 generation, $3 version. One row if it is new. Waits for a concurrent creator.
insert into projections.projection (name, generation, version) values ($1, $2, $3)
on conflict do nothing
returning epoch;

-- name: restart
-- $1 name, $2 generation, $3 version. Begin again at position 0; whoever owned it is fenced.
update projections.projection set
    version = $3, position = 0, revision = revision + 1, epoch = epoch + 1, owner = null,
    until = null, takeovers = 0, state = 'running', error = null
where name = $1 and generation = $2;

-- name: forget_quarantine
-- $1 name, $2 generation.
delete from projections.quarantine where name = $1 and generation = $2;

-- name: all
select name, generation, version, position, revision, owner, epoch, until, takeovers, state, error,
    advanced_at, coalesce(until > clock_timestamp(), false) as owned
from projections.projection
order by name, generation;

-- name: one
-- $1 name, $2 generation.
select name, generation, version, position, revision, owner, epoch, until, takeovers, state, error,
    advanced_at, coalesce(until > clock_timestamp(), false) as owned
from projections.projection
where name = $1 and generation = $2;

-- name: lock
-- $1 name, $2 generation. Locks the row: nobody advances it until the transaction ends.
select name, generation, version, position, revision, owner, epoch, until, takeovers, state, error,
    advanced_at, coalesce(until > clock_timestamp(), false) as owned
from projections.projection
where name = $1 and generation = $2
for update;

-- name: positions
-- Where the live generations are.
select name, position from projections.projection where generation = 'live';

-- name: acquire
-- $1 owner, $2 lease_s, $3 names, $4 versions (parallel to names).
-- Take what is free or ours, and prolong it. Rows that are locked are being advanced or swapped:
-- an advance prolongs the lease itself, so they are left alone instead of waited for.
with free as (
    select p.name, p.generation
    from projections.projection p
    join unnest($3::text[], $4::integer[]) as w (name, version)
        on w.name = p.name and w.version = p.version
    where p.generation <> 'verify'
        and (p.owner is null or p.owner = $1 or p.until is null or p.until < clock_timestamp())
    for update of p skip locked
)
update projections.projection p set
    epoch = case when p.owner = $1 then p.epoch else p.epoch + 1 end,
    -- The owner before us did not release: it may have died of the next event.
    takeovers = case
        when p.owner = $1 then p.takeovers when p.owner is null then 0 else p.takeovers + 1 end,
    owner = $1,
    until = clock_timestamp() + make_interval(secs => $2)
from free f
where p.name = f.name and p.generation = f.generation;

-- name: take
-- $1 name, $2 generation, $3 owner, $4 lease_s. Take one row if it is free.
update projections.projection set
    epoch = epoch + 1, owner = $3, until = clock_timestamp() + make_interval(secs => $4)
where name = $1 and generation = $2
    and (owner is null or owner = $3 or until is null or until < clock_timestamp())
returning epoch;

-- name: release
-- $1 owner. The new epoch fences what the owner may still have under way.
update projections.projection set owner = null, until = null, epoch = epoch + 1, takeovers = 0
where owner = $1;

-- name: advance
-- $1 name, $2 generation, $3 old position, $4 epoch, $5 revision, $6 new position, $7 lease_s,
-- $8 search path. Compare-and-set: `advanced` is 1, or 0 and the caller must roll back.
-- Locks the row to the end of the transaction and prepares the transaction for `apply`.
with advanced as (
    update projections.projection set
        position = $6,
        until = clock_timestamp() + make_interval(secs => $7),
        takeovers = 0, state = 'running', error = null,
        advanced_at = clock_timestamp()
    where name = $1 and generation = $2 and position = $3 and epoch = $4 and revision = $5
    returning 1
)
select count(*) as advanced,
    set_config('search_path', $8, true),
    set_config('synchronous_commit', 'off', true)
from advanced;

-- name: work_in
-- $1 search path. Prepare a transaction for `apply`.
select set_config('search_path', $1, true);

-- name: stall
-- $1 name, $2 generation, $3 epoch, $4 error. Put on record why it does not go on.
update projections.projection set state = 'stalled', error = $4
where name = $1 and generation = $2 and epoch = $3;

-- name: touch
-- $1 name, $2 generation. Make the owner look at the quarantine again before it advances.
update projections.projection set revision = revision + 1 where name = $1 and generation = $2;

-- name: count_attempt
-- $1 name, $2 generation, $3 epoch, $4 stream, $5 position. No row: the caller is not the owner.
insert into projections.quarantine as q (name, generation, stream, from_position, attempts)
select p.name, p.generation, $4, $5, 1
from projections.projection p
where p.name = $1 and p.generation = $2 and p.epoch = $3
on conflict (name, generation, stream) do update set
    attempts = case when q.from_position = excluded.from_position then q.attempts + 1 else 1 end,
    from_position = excluded.from_position,
    at = now()
where not q.parked
returning attempts;

-- name: note_error
-- $1 name, $2 generation, $3 stream, $4 error.
update projections.quarantine set error = $4, at = now()
where name = $1 and generation = $2 and stream = $3;

-- name: count_replay
-- $1 name, $2 generation, $3 stream, $4 error. A replay failed too.
update projections.quarantine set error = $4, attempts = attempts + 1, at = now()
where name = $1 and generation = $2 and stream = $3 and parked;

-- name: park
-- $1 name, $2 generation, $3 stream.
update projections.quarantine set parked = true, at = now()
where name = $1 and generation = $2 and stream = $3;

-- name: clear
-- $1 name, $2 generation, $3 stream.
delete from projections.quarantine where name = $1 and generation = $2 and stream = $3;

-- name: parked
-- $1 name, $2 generation. Streams whose events are left aside.
select stream, from_position from projections.quarantine
where name = $1 and generation = $2 and parked;

-- name: set_aside_unknown
-- $1 name. Streams of the live generation that were set aside for an event of an unknown type.
select stream from projections.quarantine
where name = $1 and generation = 'live' and parked and error like 'UnknownEventType%'
order by stream;

-- name: quarantine
-- $1 name or null, $2 after (stream, exclusive), $3 limit. What was set aside or is on trial.
select name, generation, stream, from_position, attempts, parked, error, at
from projections.quarantine
where ($1::text is null or name = $1) and stream > $2
order by stream, name, generation
limit $3;

-- name: quarantine_counts
select name, generation, count(*) as parked from projections.quarantine
where parked group by name, generation;

-- name: fresh_schema
select projections.fresh_schema($1);

-- name: drop_schema
select projections.drop_schema($1);

-- name: analyze_schema
select projections.analyze_schema($1);

-- name: close_schema
-- $1 schema, $2 lock_timeout.
select set_config('lock_timeout', $2, true), projections.close_schema($1);

-- name: swap
-- $1 name, $2 live schema, $3 rebuild schema.
select projections.swap($1, $2, $3);

-- name: delete
-- $1 name, $2 generation, $3 epoch.
delete from projections.projection where name = $1 and generation = $2 and epoch = $3;

-- name: differences
-- $1 left schema, $2 right schema, $3 limit a table.
select table_name, key, kind from projections.differences($1, $2, $3);

-- name: erased_since
-- $1 position. Whether anything was erased after it.
select exists (select from ledger.erasures where position > $1);

-- name: want
-- $1 names of projections with commas between. Tells their owners that somebody waits.
select pg_notify('jobledger_wanted', $1);
