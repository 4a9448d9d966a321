-- Reading the log as lines, filtered. The first sixteen columns are a line's keys in their order;
-- `bytes_so_far` is the size of the data up to and with the row.

-- name: log
-- $1 after (exclusive), $2 scanned through (inclusive), $3 limit, $4 bytes of data after which no
-- further row is given, $5 organizations or null for all, $6 types or null, $7 whether key events
-- are shown, $8 job id or null.
-- By position. A job's events are its own and those of its executions.
select position, stream, version, event_id, type, schema_version, organization, actor, occurred_at,
    recorded_at, correlation_id, causation_id, number, data_digest, salt, data, bytes_so_far
from (
    select e.*, sum(coalesce(octet_length(e.data), 0)) over (
        order by e.position rows unbounded preceding) as bytes_so_far
    from ledger.events e
    where e.position > $1 and e.position <= $2
        and ($5::text[] is null or e.organization = any($5))
        and ($6::text[] is null or e.type = any($6))
        and ($7 or e.type not like 'key.%')
        and ($8::text is null
            or e.stream = 'job/' || e.organization || '/' || $8
            or (e.stream like 'execution/%' and exists (
                select from view_executions.executions x
                where x.uuid = substring(e.stream from 11)::uuid and x.job_id = $8)))
    order by e.position
    limit $3
) page
where bytes_so_far - coalesce(octet_length(data), 0) < $4
order by position;

-- name: stream
-- $1 after (exclusive), $2 scanned through (inclusive), $3 limit, $4 bytes of data after which no
-- further row is given, $5 organizations or null for all, $6 types or null, $7 whether key events
-- are shown, $8 job id or null, $9 stream. By position, which is by version. The bound lets the
-- planner skip partitions that are older than the stream; the sums keep it from walking through
-- everything between two positions, where a stream's few events may lie far apart.
select position, stream, version, event_id, type, schema_version, organization, actor, occurred_at,
    recorded_at, correlation_id, causation_id, number, data_digest, salt, data, bytes_so_far
from (
    select e.*, sum(coalesce(octet_length(e.data), 0)) over (
        order by e.version rows unbounded preceding) as bytes_so_far
    from ledger.events e
    where e.stream = $9
        and e.position + 0 > $1 and e.position + 0 <= $2
        and e.position >= (select s.first_position from ledger.streams s where s.stream = $9)
        and ($5::text[] is null or e.organization = any($5))
        and ($6::text[] is null or e.type = any($6))
        and ($7 or e.type not like 'key.%')
        and ($8::text is null
            or e.stream = 'job/' || e.organization || '/' || $8
            or (e.stream like 'execution/%' and exists (
                select from view_executions.executions x
                where x.uuid = substring(e.stream from 11)::uuid and x.job_id = $8)))
    order by e.version
    limit $3
) page
where bytes_so_far - coalesce(octet_length(data), 0) < $4
order by version;

-- name: text
-- As `log`, with the lines made here: one row with how many there are, the last position, the size
-- of their data, and the lines, each with a newline behind it. Byte for byte what `ledger.events.entry`
-- makes: `to_json` escapes as RFC 8785 does. Data is not looked at; who takes the text counts newlines.
select count(*) as count, max(position) as position, max(bytes_so_far) as bytes_so_far,
    string_agg(convert_to(entry || ',"salt":' || coalesce('"' || encode(salt, 'hex') || '"', 'null')
        || ',"data":', 'UTF8') || coalesce(data, 'null') || '\x7d0a'::bytea, '') as lines
from (
    select position, salt, data, bytes_so_far,
        '{"position":' || position || ',"stream":' || to_json(stream)::text
        || ',"version":' || version || ',"event_id":"' || event_id
        || '","type":' || to_json(type)::text || ',"schema_version":' || schema_version
        || ',"organization":' || to_json(organization)::text || ',"actor":' || to_json(actor)::text
        || ',"occurred_at":"' || to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        || '","recorded_at":"' || to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        || '","correlation_id":' || coalesce('"' || correlation_id || '"', 'null')
        || ',"causation_id":' || coalesce('"' || causation_id || '"', 'null')
        || ',"number":' || coalesce(number::text, 'null')
        || ',"data_digest":"' || encode(data_digest, 'hex') || '"' as entry
    from (
        select e.*, sum(coalesce(octet_length(e.data), 0)) over (
            order by e.position rows unbounded preceding) as bytes_so_far
        from ledger.events e
        where e.position > $1 and e.position <= $2
            and ($5::text[] is null or e.organization = any($5))
            and ($6::text[] is null or e.type = any($6))
            and ($7 or e.type not like 'key.%')
            and ($8::text is null
                or e.stream = 'job/' || e.organization || '/' || $8
                or (e.stream like 'execution/%' and exists (
                    select from view_executions.executions x
                    where x.uuid = substring(e.stream from 11)::uuid and x.job_id = $8)))
        order by e.position
        limit $3
    ) page
    where bytes_so_far - coalesce(octet_length(data), 0) < $4
    order by position
) made;
