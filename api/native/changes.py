"""`/v1/executions/{id}/changes`: an execution's life, event by event, with what each event changed.

The stream is folded by the code that decides. The state as of an event is `?as_of=` its position on the
execution itself. Of an erased execution the envelopes' part is left, and that is what changes. Where an
event cannot be read, its entry says so, and those behind it tell no changes, because nobody knows from
what.
"""

from typing import Final

from aiohttp import web

from api.native.call import Call, answer
from api.native.executions import find
from api.native.wire import ChangePage, ChangeView
from ledger.errors import Corrupt
from ledger.executions.changes import changes
from ledger.executions.husk import follow
from ledger.executions.state import ExecutionState
from ledger.ids import execution_stream
from ledger.store.port import AnyRecorded

MAX_LIMIT: Final = 1000
UNREADABLE: Final = "its data cannot be read"
BEHIND: Final = "an event before it cannot be read"


class Life:
    """Follows one execution, event by event."""

    def __init__(self) -> None:
        self.state: ExecutionState | None = None
        self._stopped = False

    def take(self, record: AnyRecorded) -> ChangeView:
        """Take one more event, and tell what it changed."""
        if self._stopped:
            return _view(record, problem=BEHIND)
        before = self.state
        try:
            self.state = follow(before, record)
        except Corrupt:
            self._stopped = True
            return _view(record, problem=UNREADABLE)
        view = _view(record)
        view.changes = changes(before, self.state)
        return view


def _view(record: AnyRecorded, *, problem: str = "") -> ChangeView:
    return ChangeView(
        position=record.position,
        version=record.version,
        type=record.type,
        actor=record.actor,
        occurred_at=record.occurred_at,
        recorded_at=record.recorded_at,
        number=record.number,
        problem=problem,
    )


async def list_changes(call: Call) -> web.Response:
    """Tell an execution's life; auditors are told of deleted ones too."""
    state = await find(call, call.path("execution"), deleted=True)
    after = call.query_integer("after", 0)
    limit = call.query_integer("limit", 100, low=1, high=MAX_LIMIT)
    head = call.node.store.tail.head
    life = Life()
    page: list[ChangeView] = []
    more = False
    for record in await call.node.store.read_stream(execution_stream(state.uuid)):
        if len(page) == limit:
            more = True
            break
        view = life.take(record)
        if record.position > after:
            page.append(view)
    next_after = page[-1].position if more else max(after, head)
    body = ChangePage(events=tuple(page), next_after=next_after, more=more)
    return answer(body, headers={"Ledger-Position": str(max(head, next_after))})
