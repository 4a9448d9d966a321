-- Tiles of 256 hashes, the map of streams, and the head that both belong to. Filled by projector.py.

create table tile (
    level smallint not null,
    index bigint not null,
    hashes bytea not null,                  -- 32 bytes each; full (8192 bytes) ones never change
    primary key (level, index)
);
-- Hashes cannot be compressed.
alter table tile alter column hashes set storage external;

-- See ledger/merkle/streams.py. What is not here is empty.
create table stream_bucket (
    bucket integer primary key,
    hash bytea not null,                    -- 32 bytes, over the records
    records bytea not null                  -- 72 bytes each, by key
) with (fillfactor = 50);
alter table stream_bucket alter column records set storage external;
create table stream_node (
    height smallint not null,               -- over 2^height buckets: 8, 12, or 16 for the top
    index integer not null,
    hashes bytea not null,                  -- 16 of 32 bytes, of the subtrees four levels below
    primary key (height, index)
) with (fillfactor = 50);

create table head (
    singleton boolean primary key default true check (singleton),
    size bigint not null,
    root bytea not null,
    streams_root bytea not null
) with (fillfactor = 10);
insert into head values (true, 0,
    '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '\xbbc84bb1eca9b98b546708cadcf829983dd03da168f65aeae21724003072c21a');
