-- How far each projection is, who advances it, and what was set aside. Forward only.

create schema projections;

create table projections.projection (
    name text collate "C" not null,
    generation text collate "C" not null check (generation in ('live', 'rebuild', 'verify')),
    version integer not null,                    -- the projector's, whose tables these are
    position bigint not null default 0,          -- everything up to it is in the tables
    revision integer not null default 0,         -- raised when somebody else changed the quarantine
    owner text,                                  -- null: released, free for anybody
    epoch bigint not null default 0,             -- raised with every change of owner; fences the old
    until timestamptz,                           -- end of the owner's lease, by this server's clock
    takeovers integer not null default 0,        -- owners lost in a row without any progress
    state text not null default 'running' check (state in ('running', 'stalled')),
    error text,                                  -- why it is stalled
    advanced_at timestamptz,
    primary key (name, generation)
) with (fillfactor = 20);

create table projections.quarantine (
    name text collate "C" not null,
    generation text collate "C" not null,
    stream text collate "C" not null,
    from_position bigint not null,               -- first event that was not applied
    attempts integer not null,                   -- counted before each try, so that crashes count
    parked boolean not null default false,       -- true: later events of the stream wait for a replay
    error text not null default '',
    at timestamptz not null default now(),
    primary key (name, generation, stream),
    foreign key (name, generation) references projections.projection on delete cascade
        on update cascade
);

-- Make an empty schema, dropping what was there.
create function projections.fresh_schema(_schema text) returns void language plpgsql as $$
begin
    perform set_config('client_min_messages', 'warning', true);
    execute format('drop schema if exists %I cascade', _schema);
    execute format('create schema %I', _schema);
end $$;

create function projections.drop_schema(_schema text) returns void language plpgsql as $$
begin
    perform set_config('client_min_messages', 'warning', true);
    execute format('drop schema if exists %I cascade', _schema);
end $$;

-- Give the planner statistics of tables that were filled in bulk.
create function projections.analyze_schema(_schema text) returns void language plpgsql as $$
declare
    _table text;
begin
    for _table in
        select c.relname from pg_class c
        where c.relnamespace = to_regnamespace(_schema) and c.relkind = 'r'
    loop
        execute format('analyze %I.%I', _schema, _table);
    end loop;
end $$;

-- Wait until nobody reads or writes the schema's tables, and keep everybody out until commit.
-- Readers lock their tables before they take a snapshot, so they see a swap whole or not at all.
create function projections.close_schema(_schema text) returns void language plpgsql as $$
declare
    _table text;
begin
    for _table in
        select c.relname from pg_class c
        where c.relnamespace = to_regnamespace(_schema) and c.relkind = 'r'
        order by c.relname
    loop
        execute format('lock table %I.%I in access exclusive mode', _schema, _table);
    end loop;
end $$;

-- Put the rebuilt tables and their checkpoint in place of the live ones. The caller has locked both
-- rows of projections.projection and closed the live schema.
create function projections.swap(_name text, _live text, _rebuild text) returns void
language plpgsql as $$
declare
    _epoch bigint;
begin
    select max(p.epoch) + 1 into strict _epoch from projections.projection p
    where p.name = _name and p.generation in ('live', 'rebuild');
    perform projections.drop_schema(_live);
    execute format('alter schema %I rename to %I', _rebuild, _live);
    delete from projections.projection where name = _name and generation = 'live';
    -- The new epoch fences whoever owned either generation.
    update projections.projection set generation = 'live', epoch = _epoch, takeovers = 0
    where name = _name and generation = 'rebuild';
end $$;

-- Rows that differ between two schemas of the same shape, at most _limit a table.
create function projections.differences(_left text, _right text, _limit integer)
returns table (table_name text, key jsonb, kind text) language plpgsql as $$
declare
    _table record;
begin
    for _table in
        select c.oid, c.relname,
            (select string_agg(format('l.%1$I = r.%1$I', a.attname), ' and ')
             from unnest(i.indkey) k join pg_attribute a on a.attrelid = c.oid and a.attnum = k
            ) as joined,
            (select string_agg(format('%1$L, coalesce(l.%1$I, r.%1$I)', a.attname), ', ')
             from unnest(i.indkey) k join pg_attribute a on a.attrelid = c.oid and a.attnum = k
            ) as key,
            (select format('%I', min(a.attname))
             from unnest(i.indkey) k join pg_attribute a on a.attrelid = c.oid and a.attnum = k
            ) as first
        from pg_class c join pg_index i on i.indrelid = c.oid and i.indisprimary
        where c.relnamespace = to_regnamespace(_left) and c.relkind = 'r'
        order by c.relname
    loop
        return query execute format(
            'select %1$L::text, jsonb_build_object(%2$s), case when l.%7$s is null then ''missing'' '
            'when r.%7$s is null then ''surplus'' else ''different'' end '
            'from %3$I.%1$I l full join %4$I.%1$I r on %5$s '
            'where row(l.*) is distinct from row(r.*) limit %6$s',
            _table.relname, _table.key, _left, _right, _table.joined, _limit, _table.first);
    end loop;
end $$;
