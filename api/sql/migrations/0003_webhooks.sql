-- Webhooks: consumers whose events the ledger itself brings to an address. Forward only.
-- Position, shards, retries and parked streams are those of the consumer.

create schema webhooks;

create table webhooks.hook (
    consumer bigint primary key references consumers.consumer on delete cascade,
    url text not null,
    state text collate "C" not null default 'enabled' check (state in ('enabled', 'disabled')),
    reason text not null default '',             -- why it is disabled
    timeout_s double precision not null,
    retry_delays_s double precision[] not null,  -- one fewer than there are attempts
    failures integer not null default 0,         -- in a row, whatever the event
    failing_since timestamptz,
    paused_until timestamptz,
    last_error text not null default '',
    last_success_at timestamptz,
    modified_at timestamptz not null default now()
) with (fillfactor = 50);

-- Sealed with a key that the database does not have; see api/webhooks/sealing.py.
create table webhooks.secret (
    id bigint generated always as identity primary key,
    hook bigint not null references webhooks.hook on delete cascade,
    key_id text collate "C" not null,
    sealed bytea not null,
    made_at timestamptz not null default now(),
    expires_at timestamptz                       -- null for the newest
);
create index secret_by_hook on webhooks.secret (hook);

-- What was tried: never a body, never a secret. Old rows are removed.
create table webhooks.attempt (
    id bigint generated always as identity primary key,
    hook bigint not null references webhooks.hook on delete cascade,
    position bigint,                             -- null for a test
    message text collate "C" not null,           -- webhook-id
    type text collate "C" not null,
    stream text collate "C" not null,
    attempt integer not null,
    outcome text collate "C" not null,
    status integer,
    error text collate "C" not null,
    duration_ms integer not null,
    at timestamptz not null default now()
);
create index attempt_by_hook on webhooks.attempt (hook, id);
create index attempt_by_time on webhooks.attempt (at);
