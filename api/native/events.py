"""`/v1/events` and `/v1/executions/{id}/events`: the log as JSON pages, with long-poll.

One cursor: `after` is a position, exclusive. `next_after` of a page is where to go on; with a filter
it is the position up to which the log was looked through, so that a cursor moves on even where
nothing matched.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import Struct

from api.native.call import Call, answer
from api.native.executions import find
from api.native.problems import ProblemError, malformed
from api.native.waiting import place
from api.native.wire import EventPage, EventView
from ledger.events.codec import TYPES
from ledger.ids import execution_stream
from ledger.store.pool import store_errors
from ledger.store.queries import load

_SQL: Final = load(Path(__file__).parent / "sql" / "events.sql")
SCAN: Final = 20_000
"""Positions looked through by one statement, so that a rare filter cannot hold a connection."""
MAX_LIMIT: Final = 5000
MAX_WAIT_S: Final = 60.0


class EventFilter(Struct, frozen=True, kw_only=True):
    """Which events a reader wants, and may see."""

    organizations: list[str] | None
    types: tuple[str, ...] = ()
    stream: str | None = None
    job_id: str | None = None
    with_keys: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether much of the log may not match."""
        return bool(self.types or self.stream or self.job_id or self.organizations is not None)


async def list_events(call: Call) -> web.Response:
    """Read a page of the log; with `wait` an empty page waits for events."""
    organization = call.query("organization")
    if organization is not None and not call.sees(organization):
        raise ProblemError(
            403, "organization-forbidden", "Your key does not act there.", path="?organization"
        )
    execution = call.query("execution_id")
    stream = None
    if execution is not None:
        stream = execution_stream((await find(call, execution, deleted=True)).uuid)
    wanted = EventFilter(
        organizations=[organization] if organization is not None else call.readable,
        types=_types(call),
        stream=stream,
        job_id=call.query("job_id"),
        with_keys=call.principal.may(("admin", "auditor")),
    )
    return await _page(call, wanted)


def _types(call: Call) -> tuple[str, ...]:
    types = call.queries("types")
    for name in types:
        if name not in TYPES:
            raise malformed(f"there is no event type {name[:50]!r}", "?types")
    return types


async def execution_events(call: Call) -> web.Response:
    """Read the events of one execution; auditors also those of a deleted one."""
    state = await find(call, call.path("execution"), deleted=True)
    wanted = EventFilter(organizations=[state.organization], stream=execution_stream(state.uuid))
    return await _page(call, wanted)


async def _page(call: Call, wanted: EventFilter) -> web.Response:
    after = call.query_integer("after", 0)
    limit = call.query_integer("limit", 100, low=1, high=MAX_LIMIT)
    wait_s = call.query_number("wait", 0, low=0, high=MAX_WAIT_S)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    with place(call, wait_s):
        while True:
            page = await _read(call, wanted, after, limit)
            left = deadline - loop.time()
            if page.events or left <= 0 or call.request.transport is None:
                headers = {"Ledger-Position": str(page.head), "Cache-Control": "no-store"}
                return answer(page, headers=headers)
            # What was looked through without a match is not looked through again.
            after = page.next_after
            await call.node.store.tail.wait_past(page.head, left)


async def _read(call: Call, wanted: EventFilter, after: int, limit: int) -> EventPage:
    """Read up to *limit* matching events, looking no further than the head was at the start."""
    head = call.node.store.tail.head
    if wanted.job_id is not None:
        await call.node.covered("history", head)
    step = SCAN if wanted.is_narrow else limit
    if wanted.stream is not None:
        step = max(head - after, 1)  # found by index, however far apart
    scanned = after
    rows: Sequence[Mapping[str, Any]] = ()
    while not rows and scanned < head:
        through = min(scanned + step, head)
        with store_errors():
            rows = await call.node.store.pool.fetch(
                _SQL["events"],
                scanned,
                through,
                limit,
                wanted.organizations,
                list(wanted.types) or None,
                wanted.stream,
                wanted.job_id,
                wanted.with_keys,
            )
        scanned = rows[-1]["position"] if len(rows) == limit else through
    return EventPage(
        events=tuple(_view(row) for row in rows), next_after=max(scanned, after), head=head
    )


def _view(row: Mapping[str, Any]) -> EventView:
    data = row["data"]
    return EventView(
        position=row["position"],
        stream=row["stream"],
        version=row["version"],
        event_id=row["event_id"],
        type=row["type"],
        schema_version=row["schema_version"],
        organization=row["organization"],
        actor=row["actor"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        correlation_id=row["correlation_id"],
        causation_id=row["causation_id"],
        number=row["number"],
        data_digest=row["data_digest"].hex(),
        # The bytes that were digested, not a copy made by decoding and encoding.
        data=msgspec.Raw(data) if data is not None else None,
    )
