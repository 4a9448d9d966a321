-- Webhooks, their secrets and what was tried. The consumer's own tables are in api/consumers/sql.

-- name: make
-- $1 consumer, $2 url, $3 timeout_s, $4 retry delays.
insert into webhooks.hook (consumer, url, timeout_s, retry_delays_s) values ($1, $2, $3, $4);

-- name: find
-- $1 consumers.
select h.*, h.paused_until > now() as is_paused,
    coalesce(extract(epoch from h.paused_until - now()), 0)::double precision as pause_s
from webhooks.hook h
where h.consumer = any($1);

-- name: enabled
-- $1 limit. Hooks to serve, those made first first.
select h.consumer from webhooks.hook h where h.state = 'enabled' order by h.consumer limit $1;

-- name: change
-- $1 consumer, $2 url, $3 timeout_s, $4 retry delays. Another address has not failed yet.
with hook as (
    update webhooks.hook set url = $2, timeout_s = $3, retry_delays_s = $4, modified_at = now(),
        failures = case when url = $2 then failures else 0 end,
        failing_since = case when url = $2 then failing_since end,
        paused_until = case when url = $2 then paused_until end
    where consumer = $1
)
update consumers.consumer set max_attempts = cardinality($4::double precision[]) + 1
where id = $1;

-- name: set_state
-- $1 consumer, $2 state, $3 reason. Who is enabled starts with a clean sheet.
update webhooks.hook set state = $2, reason = $3, modified_at = now(), failures = 0,
    failing_since = null, paused_until = null
where consumer = $1 and state <> $2;

-- name: add_secret
-- $1 hook, $2 key id, $3 sealed.
insert into webhooks.secret (hook, key_id, sealed) values ($1, $2, $3);

-- name: expire_secrets
-- $1 hook, $2 seconds. The secrets there are sign for that long yet.
update webhooks.secret
set expires_at = least(coalesce(expires_at, 'infinity'), now() + make_interval(secs => $2))
where hook = $1;

-- name: secrets
-- $1 hook. Those that sign, newest first.
select id, key_id, sealed, made_at, expires_at from webhooks.secret
where hook = $1 and (expires_at is null or expires_at > now())
order by id desc;

-- name: succeeded
-- $1 hook. Gives how many failures there were in a row before.
with before as (select failures from webhooks.hook where consumer = $1 for update)
update webhooks.hook h
set failures = 0, failing_since = null, paused_until = null, last_success_at = now()
from before
where h.consumer = $1
returning before.failures;

-- name: failed
-- $1 hook, $2 error, $3 whether it is gone, $4 retry_after_s or null, $5 failures in a row from
-- which on it is left alone, $6 first and $7 longest pause (s), $8 how long it may fail (s).
update webhooks.hook h
set failures = h.failures + 1,
    failing_since = coalesce(h.failing_since, now()),
    last_error = $2,
    paused_until = case
        when h.failures + 1 >= $5 then now() + make_interval(secs => greatest(
            coalesce($4, 0), least($7, $6 * 2 ^ least(h.failures + 1 - $5, 30))))
        when $4 is not null then now() + make_interval(secs => $4)
        else h.paused_until end,
    state = case
        when $3 or h.failing_since < now() - make_interval(secs => $8) then 'disabled'
        else h.state end,
    reason = case
        when $3 then 'gone'
        when h.failing_since < now() - make_interval(secs => $8) then 'failing'
        else h.reason end
where h.consumer = $1 and h.state = 'enabled'
returning h.state, h.paused_until > now() as is_paused;

-- name: hurry
-- $1 consumer. The address answers again: what waits for a retry need not wait longer.
update consumers.held set retry_at = now()
where consumer = $1 and handed is null and retry_at > now();

-- name: note
-- $1 hook; by attempt: $2 positions, $3 messages, $4 types, $5 streams, $6 attempts, $7 outcomes,
-- $8 statuses, $9 errors, $10 durations (ms).
insert into webhooks.attempt (hook, position, message, type, stream, attempt, outcome, status,
    error, duration_ms)
select $1, * from unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::integer[],
    $7::text[], $8::integer[], $9::text[], $10::integer[]);

-- name: note_one
-- As note, for one attempt; gives it.
insert into webhooks.attempt (hook, position, message, type, stream, attempt, outcome, status,
    error, duration_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
returning *;

-- name: attempts
-- $1 hook, $2 before id, $3 limit, $4 outcome or null. Newest first.
select * from webhooks.attempt
where hook = $1 and id < $2 and ($4::text is null or outcome = $4)
order by id desc
limit $3;

-- name: forget
-- $1 age (s), $2 how many a hook keeps at most. Removes a bounded number at a time.
delete from webhooks.attempt
where id in (
    select a.id from webhooks.attempt a
    where a.at < now() - make_interval(secs => $1)
        or a.id < (select b.id from webhooks.attempt b where b.hook = a.hook
            order by b.id desc offset $2 limit 1)
    order by a.id
    limit 10000
);
