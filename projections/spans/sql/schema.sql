-- One row an execution. Filled by projector.py.

create table spans (
    uuid uuid primary key,
    organization text collate "C" not null,
    job_id text collate "C" not null,        -- empty once erased
    opened_at bigint not null,               -- position of its creation
    open_at int8range not null,              -- the positions at which it was open; no end: it is
    deleted boolean not null
) with (fillfactor = 85);

create index spans_open_at on spans using gist (open_at);
