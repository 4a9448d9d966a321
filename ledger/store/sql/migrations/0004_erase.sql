-- Erasure: who appends `execution.erased` removes the content of that stream's earlier events in the
-- same transaction. Forward only.
--
-- There is one way to remove content, and it is this: an `execution.erased` in the log. The update
-- below is refused, like any other, unless such an event stands behind the row in the row's own
-- stream (found by ledger.erasures, since a look through the stream for each of its rows would be
-- quadratic), and unless it takes away salt and data and touches nothing else. So a statement typed in
-- by hand can remove only what was erased already.

-- What was erased, in the order of the log: every process looks here to forget what it keeps in memory.
create table ledger.erasures (
    position bigint primary key,           -- of the execution.erased
    stream text collate "C" not null,
    version integer not null               -- everything below it in the stream has no content
);
create index erasures_by_stream on ledger.erasures (stream);

-- A key that a caller made up is content of the execution that owns it.
create index claims_idempotency on ledger.claims (stream) where key like 'idempotency/%';

create or replace function ledger.refuse_change() returns trigger language plpgsql as $$
declare
    _position bigint;
    _erased record;
begin
    if tg_op = 'UPDATE' then
        if old.type <> 'execution.erased'
            and new.salt is null and new.data is null
            and (new.position, new.stream, new.version, new.event_id, new.type, new.schema_version,
                    new.organization, new.actor, new.occurred_at, new.recorded_at,
                    new.correlation_id, new.causation_id, new.number, new.data_digest)
                is not distinct from
                (old.position, old.stream, old.version, old.event_id, old.type, old.schema_version,
                    old.organization, old.actor, old.occurred_at, old.recorded_at,
                    old.correlation_id, old.causation_id, old.number, old.data_digest)
        then
            select r.position into _position from ledger.erasures r
            where r.stream = old.stream and r.version > old.version
            limit 1;
            -- By its position alone: with more conditions a plan may look through the stream.
            select e.stream, e.version, e.type into _erased from ledger.events e
            where e.position = _position;
            if _erased.stream = old.stream and _erased.version > old.version
                and _erased.type = 'execution.erased' and _position > old.position
            then
                return new;
            end if;
        end if;
    end if;
    raise exception 'events are immutable: % on % refused', tg_op, tg_table_name
        using errcode = 'JL001',
              hint = 'The log is append-only. Erasure goes through the API.';
end $$;

-- Remove what an execution's events say, now that its erasure is in the log. The event of the erasure
-- keeps its own data. Locks: the rows; the caller has locked ledger.head.
create function ledger.erase() returns trigger language plpgsql as $$
begin
    -- First, because what follows is refused without it.
    insert into ledger.erasures (position, stream, version)
    values (new.position, new.stream, new.version);
    update ledger.events e set salt = null, data = null
    where e.stream = new.stream and e.version < new.version and e.type <> 'execution.erased'
        and e.position >= (
            select s.first_position from ledger.streams s where s.stream = new.stream)
        and (e.salt is not null or e.data is not null);
    delete from ledger.claims c where c.stream = new.stream and c.key like 'idempotency/%';
    delete from ledger.leases l where l.stream = new.stream;
    perform pg_notify('jobledger_erased', new.position::text);
    return null;
end $$;

create trigger erasures_take_effect after insert on ledger.events
    for each row when (new.type = 'execution.erased') execute function ledger.erase();
