-- Append one batch. Called by ledger/store/append.py alone; nobody else touches ledger.head.
--
-- Three groups of parallel arrays: events (in log order), the streams they go to or depend on, and
-- keys to claim and release. `item` ties them together: an item is written whole or not at all.
-- The caller sees to it that no stream and no key belongs to two items of a batch, unless both
-- only read the stream (a write without events).
--
-- Locks: the row of ledger.head until commit. Answers one row for each item.

create function ledger.append(
    event_item integer[], event_stream text[], event_version integer[], event_id uuid[],
    event_type text[], event_schema_version smallint[], event_organization text[],
    event_actor text[], event_occurred_at timestamptz[], event_correlation_id uuid[],
    event_causation_id uuid[], event_counter smallint[], event_digest bytea[],
    event_salt bytea[], event_data bytea[],
    write_item integer[], write_stream text[], write_expected integer[],
    write_due_at timestamptz[],
    claim_item integer[], claim_key text[], claim_stream text[], claim_value bytea[],
    claim_expires_at timestamptz[],
    release_item integer[], release_key text[], release_stream text[]
) returns table (
    item integer,
    stream text,              -- with expected and actual: a stream that is elsewhere
    expected integer,
    actual integer,
    key text,                 -- with owner and value: a claim that another stream owns
    owner text,
    value bytea,
    "position" bigint,        -- of the item's first event
    numbers bigint[],         -- of its events, in order; null where an event has none
    recorded_at timestamptz
) language plpgsql volatile as $$
#variable_conflict use_column
declare
    _head ledger.head;
    _now timestamptz;
    _position bigint;
begin
    perform set_config('synchronous_commit', 'on', true), set_config('lock_timeout', '5s', true);
    -- Its own statement: what follows gets a snapshot taken after the lock was granted.
    select * into strict _head from ledger.head for update;
    _now := greatest(clock_timestamp(), _head.recorded_at);

    return query
    with
    writes as (
        select * from unnest(write_item, write_stream, write_expected, write_due_at)
            as w (item, stream, expected, due_at)
    ),
    claimed as (
        select * from unnest(claim_item, claim_key, claim_stream, claim_value, claim_expires_at)
            with ordinality as c (item, key, stream, value, expires_at, ordinal)
    ),
    moved_on as (
        select distinct on (w.item) w.item, w.stream, w.expected, coalesce(s.version, 0) as actual
        from writes w left join ledger.streams s on s.stream = w.stream
        where coalesce(s.version, 0) <> w.expected
        order by w.item
    ),
    taken as (
        select distinct on (c.item) c.item, c.key, k.stream as owner, k.value
        from claimed c join ledger.claims k on k.key = c.key
        where k.stream <> c.stream and (k.expires_at is null or k.expires_at > _now)
        order by c.item, c.ordinal  -- the first key that the caller named decides
    ),
    refused as (
        select m.item from moved_on m union select t.item from taken t
    ),
    accepted as (
        select e.*,
            _head.position + row_number() over in_order as position,
            case e.counter
                when 1 then _head.executions + count(*) filter (where e.counter = 1) over in_order
                when 2 then _head.steps + count(*) filter (where e.counter = 2) over in_order
                when 3 then _head.jobs + count(*) filter (where e.counter = 3) over in_order
            end as number
        from unnest(
            event_item, event_stream, event_version, event_id, event_type, event_schema_version,
            event_organization, event_actor, event_occurred_at, event_correlation_id,
            event_causation_id, event_counter, event_digest, event_salt, event_data
        ) with ordinality as e (
            item, stream, version, event_id, type, schema_version, organization, actor,
            occurred_at, correlation_id, causation_id, counter, digest, salt, data, ordinal
        )
        where e.item not in (select r.item from refused r)
        window in_order as (order by e.ordinal)
    ),
    stored as (
        insert into ledger.events (
            position, stream, version, event_id, type, schema_version, organization, actor,
            occurred_at, recorded_at, correlation_id, causation_id, number, data_digest, salt, data)
        select a.position, a.stream, a.version, a.event_id, a.type, a.schema_version,
            a.organization, a.actor, a.occurred_at, _now, a.correlation_id, a.causation_id,
            a.number, a.digest, a.salt, a.data
        from accepted a
    ),
    extents as (
        select a.stream, max(a.version) as version,
            min(a.position) as first_position, max(a.position) as last_position
        from accepted a group by a.stream
    ),
    extended as (
        insert into ledger.streams as s (stream, version, first_position, last_position, due_at)
        select x.stream, x.version, x.first_position, x.last_position, w.due_at
        from extents x join writes w on w.stream = x.stream
        on conflict (stream) do update set
            version = excluded.version,
            last_position = excluded.last_position,
            due_at = excluded.due_at
    ),
    owned as (
        insert into ledger.claims as k (key, stream, value, expires_at)
        select c.key, c.stream, c.value, c.expires_at from claimed c
        where c.item not in (select r.item from refused r)
        on conflict (key) do update set
            stream = excluded.stream, value = excluded.value, expires_at = excluded.expires_at
    ),
    released as (
        delete from ledger.claims k
        using unnest(release_item, release_key, release_stream) as g (item, key, stream)
        where k.key = g.key and k.stream = g.stream
            and g.item not in (select r.item from refused r)
    ),
    advanced as (
        update ledger.head h set
            position = h.position + n.events,
            executions = h.executions + n.executions,
            steps = h.steps + n.steps,
            jobs = h.jobs + n.jobs,
            recorded_at = _now
        from (
            select count(*) as events,
                count(*) filter (where a.counter = 1) as executions,
                count(*) filter (where a.counter = 2) as steps,
                count(*) filter (where a.counter = 3) as jobs
            from accepted a
        ) n
        where n.events > 0
    ),
    outcomes as (
        select a.item, min(a.position) as position,
            array_agg(a.number order by a.position) as numbers
        from accepted a group by a.item
    )
    select i.item, m.stream, m.expected, m.actual, t.key, t.owner, t.value, o.position, o.numbers,
        _now
    from (select distinct w.item from writes w) i
    left join moved_on m on m.item = i.item
    left join taken t on t.item = i.item
    left join outcomes o on o.item = i.item;

    select h.position into strict _position from ledger.head h;
    if _position > _head.position then
        perform pg_notify('jobledger', _position::text);
    end if;
end $$;
