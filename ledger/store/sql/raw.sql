-- Reading events as texts and bytes, so that whatever a row holds can be shown. See ../raw.py.

-- name: log
-- $1 after (exclusive), $2 until (inclusive), $3 limit. By position; with holes, where rows are gone.
select position, stream, version, event_id::text, type, schema_version, organization, actor,
    to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as occurred_at,
    to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as recorded_at,
    correlation_id::text, causation_id::text, number, encode(data_digest, 'hex') as data_digest,
    salt, data
from ledger.events
where position > $1 and position <= $2
order by position
limit $3;

-- name: stream
-- $1 stream, $2 until position (inclusive). By position. The sums keep the planner from walking
-- through everything up to a position, where a stream's few events may lie far apart.
select position, stream, version, event_id::text, type, schema_version, organization, actor,
    to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as occurred_at,
    to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as recorded_at,
    correlation_id::text, causation_id::text, number, encode(data_digest, 'hex') as data_digest,
    salt, data
from ledger.events
where stream = $1 and position + 0 <= $2
    and position >= coalesce(
        (select s.first_position from ledger.streams s where s.stream = $1), 0)
order by position + 0;
