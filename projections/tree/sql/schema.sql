-- Tiles of 256 hashes, and the size of the tree. Filled by projector.py.

create table tile (
    level smallint not null,
    index bigint not null,
    hashes bytea not null,                  -- 32 bytes each; full (8192 bytes) ones never change
    primary key (level, index)
);
-- Hashes cannot be compressed.
alter table tile alter column hashes set storage external;

create table head (
    singleton boolean primary key default true check (singleton),
    size bigint not null,
    root bytea not null
) with (fillfactor = 10);
insert into head values (true, 0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
