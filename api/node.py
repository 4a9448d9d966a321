"""One node: everything a process holds between the database and its ways in, put together once.

Order: what is opened last is closed first; nothing is served before `open` returns.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from api.audit.signer import TreeSigner
from api.auth.authenticate import Authenticator
from api.auth.callers import Callers
from api.auth.issuers import Issuers
from api.auth.tokens import Tokens
from api.beside import views_process
from api.consumers.handing import Handing
from api.settings import Settings
from api.siblings import Acknowledged, sibling
from api.step_types import StepTypes
from api.streaming.hub import Hub, Room
from api.streaming.jobs_of import JobsOf
from api.streaming.reading import LogReader
from api.streaming.session import Limits
from api.webhooks.dispatcher import Dispatcher
from api.webhooks.sealing import sealing_of_node
from api.webhooks.send import Sender
from ledger.clock import Clock, system_clock
from ledger.errors import ProjectionLagging
from ledger.handle.erasure import Erasure
from ledger.handle.executions import Executions
from ledger.handle.jobs import Jobs
from ledger.handle.keys import Keys
from ledger.reactor import Reactor
from ledger.scheduler import Scheduler
from ledger.store.migrate import migrate
from ledger.store.port import AnyRecorded
from ledger.store.postgres import PostgresStore
from ledger.store.tail import RING_EVENTS
from ledger.timer import Timer
from projections.checkpoint import read_one
from projections.pace import Pace
from projections.port import MIGRATIONS
from projections.registry import PROJECTORS, READ_WITH
from projections.supervisor import Supervisor
from projections.wait import Waits

MAX_CONNECTIONS: Final = 16
"""To the database, for reading; shared out where several servers are on one port."""
MIN_CONNECTIONS: Final = 4
NEAR_EVENTS: Final = 256
"""Kept decoded by a server that writes no views: who follows the log there is near its head, and what is
kept longer is only in the way of what the processor's caches hold."""
OWN_MIGRATIONS: Final = Path(__file__).parent / "sql" / "migrations"
CATCH_UP_WAIT_S: Final = 0.5
DAY_S: Final = 86_400.0
PATIENCE_S: Final = 60.0


class Node:
    """The parts of one process."""

    def __init__(
        self,
        store: PostgresStore,
        settings: Settings,
        clock: Clock,
        acknowledged: Acknowledged,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.store = store
        self.jobs = Jobs(store, clock)
        self.executions = Executions(store, self.jobs, clock)
        self.erasure = Erasure(store, self.executions)
        self.keys = Keys(store, clock)
        self.authenticator = Authenticator(self.keys, store.tail)
        self.tokens = Tokens(store.pool, self.authenticator, clock, settings.data)
        issuers = Issuers(settings.issuers, clock)
        self.callers = Callers(self.authenticator, self.tokens, issuers)
        self.step_types = StepTypes(store.pool)
        self.projections = Supervisor(store.pool, store.tail, PROJECTORS)
        self.waits = Waits(store.pool, self.projections.advances)
        self.pace = Pace(
            store.tail,
            self.waits,
            [projector.name for projector in PROJECTORS],
            reach=settings.bulk_reach_events,
        )
        self.reader = LogReader(store.pool, store.tail, self.covered)
        self.signer = TreeSigner(
            store.pool,
            store.tail,
            settings.data,
            key=settings.tree_key,
            origin=settings.tree_name,
        )
        self.hub = self._hub()
        self.consumers = Handing(store.pool, store.tail, self.reader)
        self.webhooks: Dispatcher
        scheduler = Scheduler(store, self.jobs, self.executions, clock)
        self.timer = Timer(store, self.executions, clock, scheduler)
        self.reactor = Reactor(store, self.jobs, self.executions, clock)
        self._acknowledged = acknowledged
        # What it might have acknowledged before it was started again counts too.
        acknowledged.note(store.tail.head)
        self._found = store.tail.head
        self._is_caught_up = False
        self._patient_until = asyncio.get_running_loop().time() + PATIENCE_S
        self._opened = AsyncExitStack()

    @classmethod
    async def open(cls, dsn: str, settings: Settings, *, clock: Clock = system_clock) -> "Node":
        """Migrate the database and start everything that runs by itself."""
        await migrate(dsn, MIGRATIONS, OWN_MIGRATIONS)
        siblings = sibling()
        async with AsyncExitStack() as stack:
            store = await PostgresStore.open(
                dsn,
                max_connections=max(MIN_CONNECTIONS, MAX_CONNECTIONS // siblings.count),
                max_waiting=settings.max_waiting,
                ring_events=RING_EVENTS if settings.views == "inside" else NEAR_EVENTS,
            )
            stack.push_async_callback(store.close)
            node = cls(store, settings, clock, siblings.acknowledged)
            stack.push_async_callback(node.authenticator.stop)
            node.authenticator.start()
            stack.push_async_callback(node.projections.stop)
            if settings.views == "inside":
                await node.projections.start()
            else:
                await node.projections.prepare()
            if settings.views == "beside":
                beside = views_process(dsn, settings)
                stack.push_async_callback(beside.stop)
                beside.start()
            stack.push_async_callback(node.waits.close)
            stack.push_async_callback(node.signer.stop)
            node.signer.start()
            stack.push_async_callback(node.hub.stop)
            node.hub.start()
            node.webhooks = await node._dispatcher()
            stack.push_async_callback(node.webhooks.stop)
            node.webhooks.start()
            stack.push_async_callback(node.timer.stop)
            node.timer.start()
            stack.push_async_callback(node.reactor.stop)
            node.reactor.start()
            node._opened = stack.pop_all()
        return node

    async def _dispatcher(self) -> Dispatcher:
        settings = self.settings
        return Dispatcher(
            self.store.pool,
            self.store.tail,
            self.consumers,
            sender=Sender(
                private=settings.webhook_private_targets,
                connections=settings.webhook_connections,
                clock=self.clock,
            ),
            sealing=await sealing_of_node(settings.webhook_key, settings.data),
            keep_s=settings.webhook_log_days * DAY_S,
            grace_s=settings.shutdown_grace_s,
        )

    def _hub(self) -> Hub:
        settings = self.settings
        return Hub(
            self.reader,
            self.store.tail,
            self.authenticator,
            JobsOf(self.store.pool, self.covered),
            self.store.appender,
            room=Room(
                streams=settings.max_streams,
                streams_per_key=settings.max_streams_per_key,
                ring_events=settings.stream_ring_events,
            ),
            limits=Limits(
                heartbeat_s=settings.stream_heartbeat_s,
                client_timeout_s=settings.client_timeout_s,
                mark_every=settings.stream_mark_every,
            ),
        )

    async def close(self) -> None:
        """Stop everything, last started first; what was acknowledged is in the log already."""
        await self._opened.aclose()

    @property
    def acknowledged(self) -> int:
        """Position of the last write that this node told a caller to be done: its reads cover that."""
        return self._acknowledged.position

    async def catch_up(self) -> None:
        """Wait until every view covers what this node found in the log when it was opened.

        A view that takes longer than `PATIENCE_S`, or stands still because of what the log holds, holds
        up its own readers only, not the node.

        Raises:
            ProjectionLagging: one does not yet.
        """
        if self._is_caught_up or asyncio.get_running_loop().time() > self._patient_until:
            return
        for projector in PROJECTORS:
            try:
                await self.waits.wait_for(projector.name, self._found, CATCH_UP_WAIT_S)
            except ProjectionLagging:
                if (await read_one(self.store.pool, projector.name)).state != "stalled":
                    raise
        self._is_caught_up = True

    def acknowledge(self, records: Sequence[AnyRecorded]) -> None:
        """Remember what this node has told a caller to be done, so that its reads cover it."""
        if records:
            self._acknowledged.note(records[-1].position)

    async def covered(self, projection: str, minimum: int = 0) -> None:
        """Wait until a view covers this node's acknowledged writes, and *minimum*.

        Raises:
            ProjectionLagging: it does not within `settings.read_wait_s`.
        """
        wanted = max(self.acknowledged, minimum)
        for name in (projection, *READ_WITH.get(projection, ())):
            await self.waits.wait_for(name, wanted, self.settings.read_wait_s)
