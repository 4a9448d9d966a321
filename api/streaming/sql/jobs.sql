-- Which jobs executions are of.

-- name: jobs_of
-- $1 executions' uuids.
select uuid, job_id from view_executions.executions where uuid = any($1::uuid[]);
