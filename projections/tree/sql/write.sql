-- What projector.py does, in the generation's own schema (unqualified names).

-- name: edge
-- The size, and level by level the tile at the right edge, null where all are full. A subquery a
-- level, because a join may be planned as a scan of all tiles. Beyond level 6 the shift ends.
select h.size, l.level, (
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

-- name: head
-- $1 size, $2 root.
update head set size = $1, root = $2;
