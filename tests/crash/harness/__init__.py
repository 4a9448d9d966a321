"""Faults on purpose: a ledger of real processes under load, broken at random, then judged.

    writers ─▶ proxy ─▶ server a ─┐            each arrow may be cut, delayed, swallowed or half closed;
    workers ─▶ proxy ─▶ server b ─┼─▶ proxy ─▶ PostgreSQL    each box may be killed with -9 or stopped
    tails   ─▶ proxy ─▶ …        ─┘            its disk may be full

A run is a number of *rounds* on one data directory. A round breaks things for a while (`faults`,
drawn from the run's seed), then heals everything, lets the work come to its end (`quiesce`), and
compares what the actors were told with what the log says (`judge`). Everything that must be zero is
a named count there, so that a run says what it looked for and did not find.

What each actor was told is in its own journal, a line for each intent before it is sent and one for
each answer, written before the next thing happens; an actor that is killed loses nothing it was told.

    proxy      TCP between two parties, with faults
    actors     a program that is kept running, killed, stopped and started again
    disk       a file system of limited size for PostgreSQL
    journal    what was intended and what was answered
    writer     a program: callers that create, report, cancel, delete, claim and set schedules
    follower   a program: tails that resume where they were, in each form of the stream
    consumer   a program: members of a durable consumer
    keeper     a program: PostgreSQL for servers that are given a database URL
    world      all of it, put together
    burst      more than may wait
    faults     what can be done to it
    quiesce    back to rest, within bounds
    judge      what must be true of the log, the views and the journals
    run        rounds, figures, exit code: `scripts/crash`

Two shapes take turns. *Embedded*: both servers share the data directory, one of them supervises
PostgreSQL and the other takes over when it dies. *External*: a keeper runs PostgreSQL, and each
server reaches it over TCP through a proxy of its own.
"""
