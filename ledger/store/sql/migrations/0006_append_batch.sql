-- Append one batch, in place of ledger.append_events of 0005, which processes of an earlier release
-- still call. Called by ledger/store/append.py alone; nobody else touches ledger.head.
--
-- Four arrays of records: events (in log order, those of one stream with its timer), the streams they
-- go to or depend on, and keys to claim and release. `item` ties them together: an item is written
-- whole or not at all. The caller sees to it that no stream and no key belongs to two items of a
-- batch, unless both only read the stream (a write without events).
--
-- Locks: the row of ledger.head until commit. Answers one row without an item, which says where the
-- log and its counters were before, and one row for each item that was refused. From these the caller
-- works out positions and numbers of the others: they are given out in the order of the events.

create type ledger.new_event as (
    item integer,
    stream text,
    version integer,
    event_id uuid,
    type text,
    schema_version smallint,
    organization text,
    actor text,
    occurred_at timestamptz,
    correlation_id uuid,
    causation_id uuid,
    counter smallint,         -- 1: executions, 2: steps, 3: jobs; 0: has no number
    digest bytea,
    salt bytea,
    data bytea,
    due_at timestamptz
);
create type ledger.stream_at as (item integer, stream text, expected integer);
create type ledger.new_claim as (
    item integer, key text, stream text, value bytea, expires_at timestamptz
);
create type ledger.new_release as (item integer, key text, stream text);

create function ledger.append_batch(
    events ledger.new_event[],
    streams ledger.stream_at[],
    claims ledger.new_claim[],
    releases ledger.new_release[]
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
        select distinct on (w.item) w.item, w.stream, w.expected, coalesce(s.version, 0)
        from unnest(append_batch.streams) as w
        left join lateral (
            select s.version from ledger.streams s where s.stream = w.stream limit 1
        ) s on true
        where coalesce(s.version, 0) <> w.expected
        order by w.item
    loop
        _refused := _refused || item;
        return next;
    end loop;
    stream := null;

    if cardinality(append_batch.claims) > 0 then
        for item, key, owner, value in
            select distinct on (c.item) c.item, c.key, k.stream, k.value
            from unnest(append_batch.claims)
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
        from unnest(append_batch.claims) as c
        where c.item <> all (_refused)
        on conflict (key) do update set
            stream = excluded.stream, value = excluded.value, expires_at = excluded.expires_at;
    end if;

    if cardinality(append_batch.releases) > 0 then
        delete from ledger.claims k
        where (k.key, k.stream) in (
            select g.key, g.stream
            from unnest(append_batch.releases) as g
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
        from unnest(append_batch.events) with ordinality as e (
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
        perform pg_notify('jobledger', (_head.position + _added.events)::text);
    end if;
end $$;
