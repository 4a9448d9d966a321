-- Reading the tree view. One statement is one snapshot, so a head and its tiles belong together.

-- name: head
select size, root, streams_root from view_tree.head;

-- name: tiles
-- $1 levels, $2 indexes (parallel). The head's size with each tile, null where there is none.
-- A subquery a tile, because a join may be planned as a scan of all tiles.
select h.size, w.level, w.index, (
    select t.hashes from view_tree.tile t where t.level = w.level and t.index = w.index
) as hashes
from view_tree.head h
left join unnest($1::smallint[], $2::bigint[]) as w (level, index) on true;

-- name: stream
-- $1 bucket, $2 buckets around it, $3 heights, $4 indexes (parallel). The head, and of the same moment
-- the bucket's records, the hashes of those around it, and nodes, in the order asked for and null where
-- they are empty. A subquery each, as for tiles.
select h.size, h.root, h.streams_root, (
    select b.records from view_tree.stream_bucket b where b.bucket = $1
) as records, array(
    select (select b.hash from view_tree.stream_bucket b where b.bucket = w.bucket)
    from unnest($2::integer[]) with ordinality as w (bucket, place)
    order by w.place
) as around, array(
    select (
        select n.hashes from view_tree.stream_node n
        where n.height = w.height and n.index = w.index
    )
    from unnest($3::smallint[], $4::integer[]) with ordinality as w (height, index, place)
    order by w.place
) as nodes
from view_tree.head h;
