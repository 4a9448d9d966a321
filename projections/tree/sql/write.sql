-- What projector.py does, in the generation's own schema (unqualified names).

-- name: edge
-- The size, and the tiles at the right edge that are not full, by level. Level by level, because a
-- join on an index that depends on the level would scan all tiles. Beyond level 6 the shift ends.
select h.size, t.level, t.hashes
from head h
left join (
    select t.level, t.hashes
    from head h
    cross join generate_series(0, 6) as l (level)
    join tile t on t.level = l.level::smallint and t.index = h.size >> (8 * (l.level + 1))
) t on true
order by t.level;

-- name: put
-- Parallel arrays: level, index, hashes.
insert into tile as t (level, index, hashes)
select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])
on conflict (level, index) do update set hashes = excluded.hashes;

-- name: head
-- $1 size, $2 root.
update head set size = $1, root = $2;
