"""`jobledger replay`: an execution's life, event by event, with what each changed.

The events are folded here, by the same code that the server decides with, from what the log holds. Of an
erased execution only envelopes are left, and they are replayed.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import click
import msgspec
from msgspec import Struct

from api.cli import exits, printing
from api.cli.connection import connected, json_option
from api.cli.lines import event_line
from api.client.session import Ledger
from api.native.wire import EventView
from ledger.errors import Corrupt
from ledger.events import executions as x
from ledger.events.codec import decode
from ledger.events.envelope import Erased, Recorded
from ledger.executions.changes import Change, changes
from ledger.executions.husk import follow
from ledger.executions.state import ExecutionState


class Moment(Struct, frozen=True):
    """One event, what it changed, and the state after it."""

    event: EventView
    changes: tuple[Change, ...]
    state: ExecutionState


@click.command(short_help="Show an execution's life, event by event.")
@click.argument("execution")
@click.option("--until", help="Stop at a position, or an instant (RFC 3339).")
@json_option
@connected
async def replay(ledger: Ledger, *, execution: str, until: str | None, as_json: bool) -> int:
    """Show an execution's life (by uuid, number or oid), event by event."""
    within = read_limit(until)
    state: ExecutionState | None = None
    out = printing.console()
    async for event in _events(ledger, execution):
        if not within(event):
            break
        try:
            moment = step_on(state, event)
        except Corrupt as error:
            click.echo(f"error: {error}", err=True)
            return exits.FAILED
        state = moment.state
        if as_json:
            printing.print_json_line({"event": event, "changes": moment.changes, "state": state})
            continue
        out.print(event_line(event, subject=f"#{state.number} v{event.version}"))
        for change in moment.changes:
            out.print(f"{'':>8}{printing.plain(_told(change))}", soft_wrap=True)
    if state is None:
        click.echo("nothing had happened by then", err=True)
    elif not as_json:
        out.print(
            f"\n[bold]#{state.number} {printing.plain(state.job_id)}[/bold] at position "
            f"{state.position}: {printing.state(state.status, state.outcome)}"
        )
    return exits.DONE


def read_limit(until: str | None) -> "_Limit":
    """Read `--until`.

    Raises:
        BadParameter: it is neither a position nor an instant.
    """
    if until is None:
        return _Limit()
    if until.isdigit():
        return _Limit(position=int(until))
    try:
        instant = datetime.fromisoformat(until)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--until") from error
    return _Limit(instant=instant if instant.tzinfo else instant.astimezone())


class _Limit(Struct, frozen=True):
    position: int | None = None
    instant: datetime | None = None

    def __call__(self, event: EventView) -> bool:
        """Tell whether an event lies within the limit."""
        if self.position is not None and event.position > self.position:
            return False
        return self.instant is None or event.recorded_at <= self.instant


def step_on(state: ExecutionState | None, event: EventView) -> Moment:
    """Fold one more event.

    Raises:
        Corrupt: it cannot be read, or does not belong here.
    """
    after = follow(state, recorded(event))
    return Moment(event, changes(state, after), after)


def recorded(event: EventView) -> Recorded[x.ExecutionEvent | Erased]:
    """Turn an event as it was sent into what the ledger folds.

    Raises:
        UnknownEventType: the server is newer than this program.
        UndecodableEvent: its data does not fit its type, or is no execution's event.
    """
    fact = _fact(event)
    return Recorded(
        position=event.position,
        stream=event.stream,
        version=event.version,
        event_id=event.event_id,
        type=event.type,
        schema_version=event.schema_version,
        organization=event.organization,
        actor=event.actor,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
        correlation_id=event.correlation_id,
        causation_id=event.causation_id,
        number=event.number,
        data_digest=bytes.fromhex(event.data_digest),
        event=fact,
    )


async def _events(ledger: Ledger, execution: str) -> AsyncIterator[EventView]:
    after = 0
    while True:
        page = await ledger.executions.events(execution, after=after)
        for event in page.events:
            yield event
        if not page.events or page.next_after <= after:
            return
        after = page.next_after


def _fact(event: EventView) -> x.ExecutionEvent | Erased:
    if event.data is None:
        return Erased()
    raw = msgspec.json.encode(event.data)
    fact = decode(event.type, event.schema_version, raw, position=event.position)
    if not isinstance(fact, x.ExecutionEvent):
        raise Corrupt(f"{event.type} at position {event.position} is not about an execution")
    return fact


def _told(change: Change) -> str:
    """Say what a part was, if it was anything, and what it is."""
    after = _words(change.after)
    if change.before is None:
        return f"{change.field}: {after}"
    return f"{change.field}: {_words(change.before)} → {after}"


def _words(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 160 else f"{text[:159]}…"
