-- Token keys and announced step types; see migrations/0001_ways_in.sql.

-- name: publish_key
-- $1 kid, $2 public key.
insert into ways_in.token_key (kid, public_key) values ($1, $2) on conflict do nothing;

-- name: public_key
-- $1 kid.
select public_key from ways_in.token_key where kid = $1;

-- name: announce
-- $1 organizations, $2 step types; every pair.
insert into ways_in.step_type (organization, step_type)
select o.organization, s.step_type
from unnest($1::text[]) as o (organization)
cross join unnest($2::text[]) as s (step_type)
on conflict do nothing;

-- name: announced
-- $1 organization, $2 step types. Those of them that a worker of the organization has announced.
select distinct t.step_type
from ways_in.step_type t
where t.organization in ($1, '*') and t.step_type = any($2::text[]);
