-- What projector.py does, in the generation's own schema (unqualified names).

-- name: edge
-- The size, the root of the map of streams, and level by level the tile at the right edge, null where all are full. A subquery a
-- level, because a join may be planned as a scan of all tiles. Beyond level 6 the shift ends.
select h.size, h.streams_root, l.level, (
    select t.hashes from tile t
    where t.level = l.level::smallint and t.index = h.size >> (8 * (l.level + 1))
) as hashes
from head h
cross join generate_series(0, 6) as l (level);

-- name: put
-- Parallel arrays: level, index, hashes.
insert into tile as t (level, index, hashes)
select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])
on conflict (level, index) do update set hashes = excluded.hashes;

-- name: buckets
-- $1 buckets. A subquery each, because a join may be planned as a scan of all.
select w.bucket, (
    select b.records from stream_bucket b where b.bucket = w.bucket
) as records
from unnest($1::integer[]) as w (bucket);

-- name: bucket_hashes
-- All there are: at most 65,536.
select bucket, hash from stream_bucket;

-- name: put_buckets
-- Parallel arrays: bucket, hash, records.
insert into stream_bucket as b (bucket, hash, records)
select * from unnest($1::integer[], $2::bytea[], $3::bytea[])
on conflict (bucket) do update set hash = excluded.hash, records = excluded.records;

-- name: put_nodes
-- Parallel arrays: height, index, hashes.
insert into stream_node as n (height, index, hashes)
select * from unnest($1::smallint[], $2::integer[], $3::bytea[])
on conflict (height, index) do update set hashes = excluded.hashes;

-- name: head
-- $1 size, $2 root, $3 root of the map of streams.
update head set size = $1, root = $2, streams_root = $3;
