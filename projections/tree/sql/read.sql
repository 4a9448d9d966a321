-- Reading the tree view. One statement is one snapshot, so a head and its tiles belong together.

-- name: head
select size, root from view_tree.head;

-- name: tiles
-- $1 levels, $2 indexes (parallel). The head's size with each tile; one row without if none is there.
select h.size, t.level, t.index, t.hashes
from view_tree.head h
left join (
    select t.level, t.index, t.hashes
    from unnest($1::smallint[], $2::bigint[]) as w (level, index)
    join view_tree.tile t on t.level = w.level and t.index = w.index
) t on true;
