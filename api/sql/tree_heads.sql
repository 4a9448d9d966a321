-- Signed heads and their keys; see migrations/0004_tree_heads.sql.

-- name: take
-- $1 lock. Whether this transaction is the only one that signs or changes keys.
select pg_try_advisory_xact_lock($1);

-- name: keys
-- In order; the last one signs.
select number, public_key, change, added_at from audit.tree_key order by number;

-- name: add_key
-- $1 number, $2 public key, $3 change or null.
insert into audit.tree_key (number, public_key, change) values ($1, $2, $3);

-- name: add_head
-- $1 size, $2 root, $3 root of the map, $4 key, $5 note.
insert into audit.tree_head (size, root, streams_root, key, note) values ($1, $2, $3, $4, $5)
returning signed_at;

-- name: newest
select size, root, streams_root, key, note, signed_at
from audit.tree_head order by size desc limit 1;

-- name: of_size
-- $1 size.
select size, root, streams_root, key, note, signed_at from audit.tree_head where size = $1;

-- name: page
-- $1 after (size, exclusive), $2 limit. By size.
select size, root, streams_root, key, note, signed_at
from audit.tree_head where size > $1 order by size limit $2;

-- name: log_end
select position from ledger.head;
