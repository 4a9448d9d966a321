-- Append one batch, in place of ledger.append_batch of 0006, which processes of an earlier release still
-- call; it goes on to this one. Called by ledger/store/append.py alone; nobody else touches ledger.head.
--
-- Arrays of records: events (in log order, those of one stream with its timer), the streams they go to,
-- the streams they depend on, and keys to claim and release. `item` ties them together: an item is
-- written whole or not at all. A stream that several items depend on is told and looked up once. The
-- caller sees to it that no stream and no key belongs to two items of a batch, unless both only read the
-- stream.
--
-- Locks: the row of ledger.head until commit. Answers one row without an item, which says where the
-- log and its counters were before, and one row for each item that was refused. From these the caller
-- works out positions and numbers of the others: they are given out in the order of the events.
--
-- Listeners are told the head if `announce` is set. Where batches follow each other closely, hearing of
-- every one would cost all sides more than it tells.

create type ledger.stream_read as (stream text, expected integer, items integer[]);

create function ledger.append_items(
    events ledger.new_event[],
    writes ledger.stream_at[],
    reads ledger.stream_read[],
    claims ledger.new_claim[],
    releases ledger.new_release[],
    announce boolean
) returns table (
    item integer,
    stream text,              -- with expected and actual: a stream that is elsewhere
    expected integer,
    actual integer,
    key text,                 -- with owner and value: a claim that another stream owns
    owner text,
    value bytea,
    "position" bigint,        -- without an item: the last one before the batch
    executions bigint,        -- without an item: the last number given out before, by counter
    steps bigint,
    jobs bigint,
    recorded_at timestamptz
) language plpgsql volatile
-- Plans are made once a session, perhaps while the tables are empty, and are kept while they grow: a
-- plan that reads a table whole would make every batch slower than the one before.
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    _head ledger.head;
    _now timestamptz;
    _refused integer[] := '{}';
    _added record;
begin
    perform set_config('synchronous_commit', 'on', true), set_config('lock_timeout', '5s', true);
    -- Its own statement: what follows gets a snapshot taken after the lock was granted.
    select * into strict _head from ledger.head for update;
    _now := greatest(clock_timestamp(), _head.recorded_at);
    position := _head.position;
    executions := _head.executions;
    steps := _head.steps;
    jobs := _head.jobs;
    recorded_at := _now;
    return next;

    for item, stream, expected, actual in
        select distinct on (moved.item) moved.item, moved.stream, moved.expected, moved.actual
        from (
            select w.item, w.stream, w.expected, coalesce(s.version, 0) as actual
            from unnest(append_items.writes) as w
            left join lateral (
                select s.version from ledger.streams s where s.stream = w.stream limit 1
            ) s on true
            where coalesce(s.version, 0) <> w.expected
            union all
            select i.item, r.stream, r.expected, coalesce(s.version, 0)
            from unnest(append_items.reads) as r
            left join lateral (
                select s.version from ledger.streams s where s.stream = r.stream limit 1
            ) s on true
            cross join unnest(r.items) as i (item)
            where coalesce(s.version, 0) <> r.expected
        ) moved
        order by moved.item
    loop
        _refused := _refused || item;
        return next;
    end loop;
    stream := null;

    if cardinality(append_items.claims) > 0 then
        for item, key, owner, value in
            select distinct on (c.item) c.item, c.key, k.stream, k.value
            from unnest(append_items.claims)
                with ordinality as c (item, key, stream, value, expires_at, ordinal)
            cross join lateral (select k.* from ledger.claims k where k.key = c.key limit 1) k
            where k.stream <> c.stream and (k.expires_at is null or k.expires_at > _now)
                and c.item <> all (_refused)
            order by c.item, c.ordinal  -- the first key that the caller named decides
        loop
            _refused := _refused || item;
            return next;
        end loop;

        insert into ledger.claims as k (key, stream, value, expires_at)
        select c.key, c.stream, c.value, c.expires_at
        from unnest(append_items.claims) as c
        where c.item <> all (_refused)
        on conflict (key) do update set
            stream = excluded.stream, value = excluded.value, expires_at = excluded.expires_at;
    end if;

    if cardinality(append_items.releases) > 0 then
        delete from ledger.claims k
        where (k.key, k.stream) in (
            select g.key, g.stream
            from unnest(append_items.releases) as g
            where g.item <> all (_refused)
        );
    end if;

    with
    accepted as (
        select e.*,
            _head.position + row_number() over in_order as position,
            case e.counter
                when 1 then _head.executions + count(*) filter (where e.counter = 1) over in_order
                when 2 then _head.steps + count(*) filter (where e.counter = 2) over in_order
                when 3 then _head.jobs + count(*) filter (where e.counter = 3) over in_order
            end as number
        from unnest(append_items.events) with ordinality as e (
            item, stream, version, event_id, type, schema_version, organization, actor,
            occurred_at, correlation_id, causation_id, counter, digest, salt, data, due_at, ordinal
        )
        where e.item <> all (_refused)
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
    extended as (
        insert into ledger.streams as s (stream, version, first_position, last_position, due_at)
        select a.stream, max(a.version), min(a.position), max(a.position), max(a.due_at)
        from accepted a group by a.stream
        on conflict (stream) do update set
            version = excluded.version,
            last_position = excluded.last_position,
            due_at = excluded.due_at
    )
    select count(*) as events,
        count(*) filter (where a.counter = 1) as executions,
        count(*) filter (where a.counter = 2) as steps,
        count(*) filter (where a.counter = 3) as jobs
    into strict _added
    from accepted a;

    if _added.events > 0 then
        update ledger.head h set
            position = _head.position + _added.events,
            executions = _head.executions + _added.executions,
            steps = _head.steps + _added.steps,
            jobs = _head.jobs + _added.jobs,
            recorded_at = _now;
    end if;
    if announce then
        perform pg_notify('jobledger', (_head.position + _added.events)::text);
    end if;
end $$;

create or replace function ledger.append_batch(
    events ledger.new_event[],
    streams ledger.stream_at[],
    claims ledger.new_claim[],
    releases ledger.new_release[]
) returns table (
    item integer,
    stream text,
    expected integer,
    actual integer,
    key text,
    owner text,
    value bytea,
    "position" bigint,
    executions bigint,
    steps bigint,
    jobs bigint,
    recorded_at timestamptz
) language sql volatile
as $$
    select * from ledger.append_items(
        append_batch.events, append_batch.streams, '{}', append_batch.claims, append_batch.releases, true
    );
$$;
