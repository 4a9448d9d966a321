"""Who calls, and what they may do.

Every route declares the roles that may call it; a request is authenticated by a key's secret, given
as `Authorization: Bearer`, `X-Api-Key`, or the password of HTTP Basic, whose user name must then be
the key's public id. Or by an access token, as Bearer or `X-Api-Key`: ours stands for the key that it
was given to, another issuer's for what its claims say in the operator's mapping (`issuers`). Roles:

    viewer    reads executions, jobs and events
    operator  and runs, controls, describes and deletes executions; defines jobs
    worker    claims work and reports under its lease
    recorder  reports work that was run elsewhere
    consumer  makes durable consumers, and reads and acknowledges their events
    auditor   reads all of history, deleted executions included
    admin     all of it, and keys and projections

A key acts in the organizations it names, `*` for all. What another organization has does not exist
for it. A request that names one in `Ledger-Organization` acts in that one only, for reading and for
writing; one that does not reads from all of its key's and writes to the first.
"""
