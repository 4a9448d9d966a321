-- Reading the log for clients, filtered.

-- name: events
-- $1 after (exclusive), $2 scanned through (inclusive), $3 limit, $4 organizations or null for all,
-- $5 types or null, $6 stream or null, $7 job id or null, $8 whether key events are shown.
-- By position. A job's events are its own and those of its executions.
select e.position, e.stream, e.version, e.event_id, e.type, e.schema_version, e.organization,
    e.actor, e.occurred_at, e.recorded_at, e.correlation_id, e.causation_id, e.number,
    e.data_digest, e.data
from ledger.events e
where e.position > $1 and e.position <= $2
    and ($4::text[] is null or e.organization = any($4))
    and ($5::text[] is null or e.type = any($5))
    and ($6::text is null or e.stream = $6)
    and ($8 or e.type not like 'key.%')
    and ($7::text is null
        or e.stream = 'job/' || e.organization || '/' || $7
        or (e.stream like 'execution/%' and exists (
            select from view_history.history h
            where h.uuid = substring(e.stream from 11)::uuid and h.job_id = $7)))
order by e.position
limit $3;
