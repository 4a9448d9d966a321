"""Erasure in the database: what goes, what stays, and that there is no other way."""

import hashlib
from typing import Any

import asyncpg
import pytest

from ledger.events.entry import encode_entry
from ledger.events.envelope import Erased
from ledger.executions import commands as x
from ledger.executions.state import ExecutionState
from ledger.handle.erasure import Erasure
from ledger.handle.streams import Done
from ledger.ids import execution_stream
from ledger.rejection import ContentErased, NotFinished
from ledger.store.postgres import PostgresStore
from tests.contract.log import CONTEXT
from tests.integration.test_reactor import Reacting
from tests.waiting import eventually


class Erasing(Reacting):
    """A process that erases too."""

    def __init__(self, store: PostgresStore) -> None:
        super().__init__(store)
        self.erasure = Erasure(store, self.executions)

    async def closed(self, job_id: str = "Job") -> ExecutionState:
        """Run an execution to its end, with the ends before it reacted to."""
        await self.define(job_id)
        state = await self.run(job_id)
        await self.close(state)
        return await self.now(state)

    async def erase(self, state: ExecutionState) -> Any:
        """Erase it."""
        return await self.erasure.erase(CONTEXT, state.uuid, reason="asked for")
