-- Which of some names the executions of an organization mention.

-- name: mentions
-- $1 organization, $2 uuid of the execution that does not count, $3 names. Looks through all of the
-- organization's inputs and outputs.
select distinct n.name
from view_executions.executions d
cross join unnest($3::text[]) as n (name)
where d.organization = $1 and d.uuid <> $2
    and (strpos(d.input::text, n.name) > 0 or strpos(d.output::text, n.name) > 0);
