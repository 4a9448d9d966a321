-- How views are read.

-- name: begin
-- One round trip. Lists have optional conditions: a plan made for the values at hand leaves out those
-- that were not asked for, and a generic plan would have to scan.
begin read only; set local plan_cache_mode = force_custom_plan;

-- name: end
commit;

-- name: live_version
-- $1 name.
select version from projections.projection where name = $1 and generation = 'live';
