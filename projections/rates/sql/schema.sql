-- One row an organization and minute. Filled by projector.py.

create table rates (
    organization text collate "C" not null,
    minute timestamptz not null,
    created bigint not null,
    started bigint not null,
    finished bigint not null,
    aborted bigint not null,
    position bigint not null,               -- of the last event that was counted
    primary key (minute, organization)
) with (fillfactor = 85);
