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
-- $1 bucket, $2 levels, $3 indexes (parallel). The head, and of the same moment a bucket of the map of
-- streams and nodes of it, null where they are empty.
select h.size, h.root, h.streams_root, (
    select b.records from view_tree.stream_bucket b where b.bucket = $1
) as records, w.level, w.index, (
    select n.hashes from view_tree.stream_node n where n.level = w.level and n.index = w.index
) as hashes
from view_tree.head h
cross join unnest($2::smallint[], $3::integer[]) as w (level, index);
