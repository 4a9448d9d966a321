-- What projector.py does, in the generation's own schema (unqualified names).

-- name: insert
-- Parallel arrays, one element a row; roles and organizations as literals.
insert into keys (
    uuid, public_id, name, secret_sha256, roles, organizations, created_at, created_by,
    created_position, version)
select n.uuid, n.public_id, n.name, n.secret_sha256, n.roles::text[], n.organizations::text[],
    n.created_at, n.created_by, n.created_position, n.version
from unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
    $8::text[], $9::bigint[], $10::integer[]
) as n (
    uuid, public_id, name, secret_sha256, roles, organizations, created_at, created_by,
    created_position, version)
on conflict (uuid) do nothing;

-- name: revoke
-- Parallel arrays: uuid, when, by whom, version.
update keys k set revoked_at = n.revoked_at, revoked_by = n.revoked_by, version = n.version
from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::integer[])
    as n (uuid, revoked_at, revoked_by, version)
where k.uuid = n.uuid and k.version < n.version;
