-- The heads of the Merkle tree that were signed, and the keys that signed them. Forward only.
-- Nothing here is ever changed or removed: a head that was shown stays shown.

create schema audit;

create table audit.tree_key (
    number integer primary key,                  -- 1, 2, 3 …; the last one signs
    public_key text not null unique,             -- its C2SP text form, which has the ledger's name
    change text,                                 -- how the key before vouched for it; null for the first
    added_at timestamptz not null default now()
);

create table audit.tree_head (
    size bigint primary key,                     -- events the tree holds
    root bytea not null,
    streams_root bytea not null,                 -- of the map of streams, at that size
    key integer not null references audit.tree_key,
    note text not null,                          -- what was signed, with the signature
    signed_at timestamptz not null default now()
);

create function audit.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'what was signed is immutable: % on % refused', tg_op, tg_table_name
        using errcode = 'JL001';
end $$;

create trigger tree_keys_are_immutable before update or delete on audit.tree_key
    for each row execute function audit.refuse_change();
create trigger tree_keys_are_not_truncated before truncate on audit.tree_key
    for each statement execute function audit.refuse_change();
create trigger tree_heads_are_immutable before update or delete on audit.tree_head
    for each row execute function audit.refuse_change();
create trigger tree_heads_are_not_truncated before truncate on audit.tree_head
    for each statement execute function audit.refuse_change();
