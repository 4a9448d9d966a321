-- Leases: who holds an execution now. Small, mutable, and not part of the log.

-- name: grant
-- $1 stream, $2 lease, $3 fence, $4 worker, $5 lease_s, $6 organization. A newer fence replaces.
insert into ledger.leases as l (stream, lease, fence, worker, lease_s, organization, expires_at)
values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $5))
on conflict (stream) do update set
    lease = excluded.lease, fence = excluded.fence, worker = excluded.worker,
    lease_s = excluded.lease_s, organization = excluded.organization,
    expires_at = excluded.expires_at
where l.fence < excluded.fence
returning expires_at;

-- name: renew
-- $1 lease, $2 organizations or null for all. No row when it ended or expired.
update ledger.leases set expires_at = now() + make_interval(secs => lease_s)
where lease = $1 and expires_at > now() and ($2::text[] is null or organization = any($2))
returning stream, fence, worker, expires_at;

-- name: end
-- $1 stream, $2 fence. The hold is over.
delete from ledger.leases where stream = $1 and fence <= $2;

-- name: expired
-- $1 limit. Holds whose time has passed.
select stream, fence from ledger.leases where expires_at <= now() order by expires_at limit $1;

-- name: withdraw
-- $1 lease. The start it was granted for did not happen.
delete from ledger.leases where lease = $1;

-- name: is_leased
-- $1 stream, $2 fence. Whether a hold under this fence is noted, expired or not.
select exists (select from ledger.leases where stream = $1 and fence = $2);
