-- What the nodes of one ledger tell each other about callers. Forward only.

create schema ways_in;

-- Public halves of the keys that nodes sign tokens with: every node takes every node's tokens.
create table ways_in.token_key (
    kid text collate "C" primary key,
    public_key bytea not null,                   -- Ed25519, 32 bytes
    made_at timestamptz not null default now()
);

-- Step types that workers have announced; '*' stands for every organization.
create table ways_in.step_type (
    organization text collate "C" not null,
    step_type text collate "C" not null,
    first_seen_at timestamptz not null default now(),
    primary key (organization, step_type)
);
