-- How far the ledger itself has reacted to what ended, and what it has to try again. Forward only.

create table ledger.reactors (
    name text collate "C" primary key,
    position bigint not null,              -- everything up to here was reacted to, or is in `reactions`
    owner uuid,                            -- the process that does it, for as long as it keeps telling
    held_until timestamptz
) with (fillfactor = 10);

-- Executions that ended before there was a reactor had nothing to wait for them.
insert into ledger.reactors (name, position) select 'upstreams', h.position from ledger.head h;

create table ledger.reactions (
    stream text collate "C" primary key,   -- the execution whose end could not be reacted to
    position bigint not null,
    tries integer not null,
    retry_at timestamptz not null,
    error text not null
);
