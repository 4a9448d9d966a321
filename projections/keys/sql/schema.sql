-- One row an access key. Filled by projector.py.

create table keys (
    uuid uuid primary key,
    public_id text collate "C" not null,
    name text not null,
    secret_sha256 text not null,
    roles text[] not null,
    organizations text[] collate "C" not null,  -- in the order given; '*' stands for all
    created_at timestamptz not null,
    created_by text not null,
    created_position bigint not null,
    revoked_at timestamptz,
    revoked_by text,
    version integer not null
);

create index keys_by_public_id on keys (public_id, created_position);
create index keys_newest on keys (created_position);
