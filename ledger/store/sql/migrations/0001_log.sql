-- The log, its heads, and the keys owned by streams. Forward only.

create schema if not exists ledger;

-- One row. Whoever appends locks it to the end of its transaction.
create table ledger.head (
    singleton boolean primary key default true check (singleton),
    position bigint not null default 0,
    executions bigint not null default 0,  -- numbers given out so far, by counter
    steps bigint not null default 0,
    jobs bigint not null default 0,
    recorded_at timestamptz not null default '-infinity'
) with (fillfactor = 10);
insert into ledger.head default values;

create table ledger.events (
    position bigint not null,
    stream text collate "C" not null,
    version integer not null,
    event_id uuid not null,
    type text collate "C" not null,
    schema_version smallint not null,
    organization text collate "C" not null,
    actor text not null,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null,
    correlation_id uuid,
    causation_id uuid,
    number bigint,
    data_digest bytea not null,
    salt bytea,                            -- null, with data, once erased
    data bytea,                            -- the exact bytes that were digested
    primary key (position)
) partition by range (position);

-- Not unique: a unique index on a partitioned table must hold the partition key.
-- That versions are contiguous is kept by ledger.streams under the head lock.
create index events_by_stream on ledger.events (stream, version);

create table ledger.streams (
    stream text collate "C" primary key,
    version integer not null,
    first_position bigint not null,
    last_position bigint not null,
    due_at timestamptz
) with (fillfactor = 70);
create index streams_due on ledger.streams (due_at) where due_at is not null;

create table ledger.claims (
    key text collate "C" primary key,
    stream text collate "C" not null,
    value bytea,
    expires_at timestamptz
);
create index claims_expiring on ledger.claims (expires_at) where expires_at is not null;

-- A worker's hold on an execution. Renewals are not facts; losing it is one.
create table ledger.leases (
    stream text collate "C" primary key,
    lease uuid not null unique,
    fence integer not null,
    worker text not null,
    lease_s double precision not null,
    organization text collate "C" not null,
    expires_at timestamptz not null
) with (fillfactor = 50);
create index leases_expiring on ledger.leases (expires_at);

create function ledger.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'events are immutable: % on % refused', tg_op, tg_table_name
        using errcode = 'JL001',
              hint = 'The log is append-only. Erasure goes through the API.';
end $$;

create trigger events_are_immutable before update or delete on ledger.events
    for each row execute function ledger.refuse_change();
create trigger events_are_not_truncated before truncate on ledger.events
    for each statement execute function ledger.refuse_change();

-- Partitions of 2^24 positions, made ahead of the head, so that closed ones can be archived.
create function ledger.ensure_partitions() returns void language plpgsql as $$
declare
    _size constant bigint := 16777216;
    _first bigint := (select position / _size from ledger.head);
    _name text;
begin
    -- Several processes keep house; the second one finds the first one's work done.
    perform pg_advisory_xact_lock(1785684588);
    for _index in _first .. _first + 1 loop
        _name := format('events_%s', lpad(_index::text, 6, '0'));
        if to_regclass('ledger.' || _name) is null then
            execute format(
                'create table ledger.%I partition of ledger.events for values from (%s) to (%s)',
                _name, _index * _size, (_index + 1) * _size);
            execute format(
                'create trigger events_are_not_truncated before truncate on ledger.%I '
                'for each statement execute function ledger.refuse_change()', _name);
        end if;
    end loop;
end $$;
select ledger.ensure_partitions();
