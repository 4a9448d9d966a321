"""Erasing an execution: what its events say is removed for good, and that it was stays.

The append of `execution.erased` removes salt and data of the stream's earlier events in the same
transaction (see `ledger/store/sql/migrations/0004_erase.sql`), together with the idempotency keys that
the execution owns and what the lease table says of it. Entries, digests, positions and proofs stay
valid: they never held the content. Every process forgets what it keeps in memory (see
`ledger.store.tail`), and the views fold the execution down to a husk.

What stays, on purpose: the envelope (stream, type, organization, actor, instants, correlation), the
reason given for the erasure, and how the execution had ended, because others may wait for that.

Limits: others wait while the rows of one execution are emptied, about a second for 60 000 events; one of
half a million does not come to an end within the deadline of an append, and is refused. A repeat of the request that made the execution, under its idempotency key, makes a new one.
PostgreSQL keeps the bytes in dead rows until the next VACUUM, in its write-ahead log until the next
checkpoints recycle it, and in whatever backups were made; so do exports that were handed out.
"""

import asyncio
from typing import Final
from uuid import UUID

from ledger.errors import Unavailable
from ledger.executions import commands as c
from ledger.executions.state import ExecutionState
from ledger.handle.executions import Executions
from ledger.handle.streams import Done, StaleVersion
from ledger.ids import execution_stream
from ledger.rejection import Rejection
from ledger.store.port import Context
from ledger.store.postgres import PostgresStore
from ledger.store.reactions import UPSTREAMS, place_of

LOOK_S: Final = 0.05
MAX_LOOKS: Final = 100


class Erasure:
    """Erases executions of all organizations."""

    def __init__(self, store: PostgresStore, executions: Executions) -> None:
        self._store = store
        self._executions = executions
        store.tail.on_erasure(executions.streams.forget)

    async def erase(
        self,
        context: Context,
        uuid: UUID,
        *,
        reason: str = "",
        files: tuple[str, ...] = (),
        if_version: int | None = None,
    ) -> Done[ExecutionState] | Rejection | StaleVersion:
        """Remove what a closed execution's events say.

        Idempotent.

        Raises:
            Unavailable: what follows the execution's end is still to be done; try again.
        """
        state = (await self._executions.streams.refresh(execution_stream(uuid))).state
        if state is not None and not state.is_open and not state.erased:
            await self._reacted(state.position)
        command = c.Erase(reason=reason, files=files)
        return await self._executions.act(context, uuid, command, if_version=if_version)

    async def _reacted(self, position: int) -> None:
        """Wait until others were told of the end: whoever follows needs to know of which job."""
        for _ in range(MAX_LOOKS):
            if await place_of(self._store.pool, UPSTREAMS) >= position:
                return
            await asyncio.sleep(LOOK_S)
        message = "what follows the execution's end is still to be done"
        raise Unavailable(message)
