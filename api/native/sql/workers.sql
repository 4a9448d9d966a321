-- Who holds work. Holds that have expired are there until the ledger has taken the work away.

-- name: held
-- $1 organizations or null for all, $2 limit. The first to expire first.
select stream, fence, worker, lease_s, organization, expires_at
from ledger.leases
where $1::text[] is null or organization = any($1)
order by expires_at
limit $2;

-- name: total
-- $1 organizations or null for all.
select count(*) from ledger.leases where $1::text[] is null or organization = any($1);
