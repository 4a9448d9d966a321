-- Durable consumers: who reads how far, and what was set aside. Small tables, changed in place.
-- Forward only. See api/consumers for what the columns are for.

create schema consumers;

create table consumers.consumer (
    id bigint generated always as identity primary key,
    organization text collate "C" not null,      -- '*' stands for all
    kind text collate "C" not null check (kind in ('pull', 'webhook')),
    name text collate "C" not null,
    description text not null default '',
    types text[],                                -- null for all
    job_id text,
    with_keys boolean not null default false,
    lease_s double precision not null,
    max_attempts integer not null,
    backoff_s double precision not null,
    backoff_max_s double precision not null,
    scanned bigint not null,                     -- the log was looked through up to here
    created_at timestamptz not null default now(),
    created_by text not null,
    unique (organization, kind, name)
) with (fillfactor = 50);

-- Who reads at the moment. A row is one stay of a member; its id is never used again.
create table consumers.member (
    id bigint generated always as identity primary key,
    consumer bigint not null references consumers.consumer on delete cascade,
    name text collate "C" not null,
    joined_at timestamptz not null default now(),
    expires_at timestamptz not null,
    unique (consumer, name)
) with (fillfactor = 50);

create table consumers.shard (
    consumer bigint not null references consumers.consumer on delete cascade,
    shard smallint not null,
    member bigint references consumers.member on delete set null,
    epoch bigint not null default 0,             -- counts what was handed out; fences
    acked bigint not null,                       -- everything up to here is done, or set aside
    latest bigint not null default 0,            -- last event of the shard up to consumer.scanned
    handed bigint,                               -- what is out was looked for up to here
    handed_first bigint,                         -- its first and last event
    handed_last bigint,
    lease_until timestamptz,                     -- of what is out
    losses integer not null default 0,           -- leases lost in a row of what is up to suspect
    suspect bigint not null default 0,
    careful integer not null default 0,          -- most events to hand out; 0 for no such limit
    primary key (consumer, shard)
) with (fillfactor = 40);
create index shard_by_member on consumers.shard (member);

-- Streams that are set aside: to be retried, or parked until somebody decides.
create table consumers.held (
    id bigint generated always as identity unique,
    consumer bigint not null references consumers.consumer on delete cascade,
    stream text collate "C" not null,
    shard smallint not null,
    after bigint not null,                       -- of this stream everything up to here is done
    position bigint not null,                    -- the event that stands in the way
    attempts integer not null,                   -- how often that was handed out
    retry_at timestamptz,                        -- null when parked
    parked_at timestamptz,
    reason text not null default '',
    alone boolean not null default false,        -- whoever had it was lost: hand out nothing beside
    member bigint,                               -- who has it, while it is out
    epoch bigint not null default 0,
    handed bigint,
    handed_last bigint,
    lease_until timestamptz,
    held_at timestamptz not null default now(),
    primary key (consumer, stream)
) with (fillfactor = 50);
create index held_due on consumers.held (consumer, retry_at) where handed is null;
create index held_out on consumers.held (consumer) where handed is not null;
create index held_parked on consumers.held (consumer, id) where parked_at is not null;

-- How long to wait after an attempt: twice as long each time, up to a most.
create function consumers.backoff(attempts integer, first_s double precision,
    most_s double precision) returns interval language sql immutable as $$
    select make_interval(secs => least(most_s, first_s * 2 ^ least(greatest(attempts - 1, 0), 60)))
$$;
