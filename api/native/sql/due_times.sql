-- What became of a job's due times, out of the log itself.

-- name: past
-- $1 stream, $2 types, $3 limit. Newest first, by the index on (stream, version).
select position, type, recorded_at, data
from ledger.events
where stream = $1 and type = any($2::text[])
order by version desc
limit $3;
