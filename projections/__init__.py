"""What we know from the log: read models that follow it, each in a schema of its own.

Design, and why not otherwise:

1. A projector's rows and its checkpoint change in one transaction, and the checkpoint moves by
   compare-and-set on (position, epoch, revision). So a crash or a second owner can never apply
   twice; the lease that elects an owner only saves work and may be lost at any time. A session's
   advisory lock would do the same, but is lost silently behind a connection pooler.
2. The compare-and-set is the first statement of that transaction: a second owner waits there
   instead of writing rows that it must roll back, and no two owners deadlock on rows.
3. These transactions do not wait for the disk (`synchronous_commit = off`): rows and checkpoint
   are lost together or kept together, and what is lost is applied again from the log.
4. Each read model is a schema `view_<name>`. A rebuild fills `view_<name>_rebuild` beside it and
   takes its name in one transaction, so reader SQL names `view_<name>.<table>` and never changes.
   Projection tables are never migrated.
5. A view that folds executions keeps the encoded state that `ledger` itself folds, so what it says
   is a fresh fold by construction.
6. Positions tell what an answer reflects: every query reads the checkpoint in the statement that
   reads the rows.
7. What cannot be applied is set aside by stream, on record, and replayed after a fix. So is what cannot
   be read, because somebody changed it or a newer release wrote it (see `interests`); the latter is
   taken in by the first owner that knows it. An erasure frees a stream: a view must forget it.
8. Views take turns (see `turns`): the furthest behind first, so that those which catch up read the log
   once for all of them. Bulk appends keep within reach of the views (see `pace`).

Versions: a process runs a generation only if its projector has that generation's version. A process
with a higher version starts a rebuild; until the swap, reads see the old rows, which the new code
does not advance (an old process still may), so waits for newer positions end in `ProjectionLagging`.
If the old shape does not fit the new reader's SQL, reads end in `ProjectionLagging` too. A lower
version never starts a rebuild by itself: two releases running side by side would rebuild for ever.

Erasure: a view keeps of an erased execution only what the log's envelopes still tell, because that
is all a rebuild could find. See `outline`.

`verify` compares a view with a second fold of the log as the database holds it, at one position.
"""
