"""`jobledger consumers …`: durable positions in the log."""

from contextlib import aclosing
from typing import Literal

import click

from api.cli import exits, printing
from api.cli.connection import connected, json_option
from api.cli.lines import event_line
from api.client.session import Ledger
from api.native.consumer_wire import ConsumerPut, ConsumerView, ResetPost

START = "beginning, end, or a position"


@click.group(short_help="Look after durable consumers.")
def consumers() -> None:
    """Look after durable consumers, and read as a member of one."""


@consumers.command("list")
@json_option
@connected
async def list_consumers(ledger: Ledger, *, as_json: bool) -> None:
    """Say how far each consumer is."""
    found = await ledger.consumers.list()
    if as_json:
        printing.print_json(found)
        return
    printing.print_table(
        ("consumer", "organization", "position", "lag", "members", "out", "retrying", "parked"),
        (
            (
                printing.plain(view.name),
                printing.plain(view.organization),
                view.position,
                view.lag,
                view.member_count,
                view.shards_out,
                view.retrying,
                view.parked,
            )
            for view in found.consumers
        ),
    )


@consumers.command("show")
@click.argument("name")
@json_option
@connected
async def show_consumer(ledger: Ledger, *, name: str, as_json: bool) -> None:
    """Show one consumer, and who reads."""
    view = await ledger.consumers.show(name)
    if as_json:
        printing.print_json(view)
        return
    _print(view)


def _print(view: ConsumerView) -> None:
    out = printing.console()
    wanted = ", ".join(view.types) or "all events"
    of_job = f" of job {printing.plain(view.job_id)}" if view.job_id else ""
    out.print(f"consumer [bold]{printing.plain(view.name)}[/bold]  {wanted}{of_job}")
    out.print(f"position {view.position} of {view.head}, {view.lag} behind")
    out.print(
        f"lease {printing.seconds(view.lease_s)}, {view.max_attempts} attempts, "
        f"{view.retrying} retrying, {view.parked} parked"
    )
    printing.print_table(
        ("member", "shards", "gone in"),
        ((printing.plain(m.name), m.shards, printing.seconds(m.left_s)) for m in view.members),
    )


@consumers.command("create")
@click.argument("name")
@click.option("--start", default="beginning", show_default=True, help=f"{START}.")
@click.option("--types", default="", help="Event types, separated by commas; for ever.")
@click.option("--job", "job_id", help="Of this job only; for ever.")
@click.option("--lease", "lease_s", type=float, default=30.0, show_default=True, help="Seconds.")
@click.option("--attempts", "max_attempts", type=int, default=5, show_default=True)
@json_option
@connected
async def create_consumer(
    ledger: Ledger,
    *,
    name: str,
    start: str,
    types: str,
    job_id: str | None,
    lease_s: float,
    max_attempts: int,
    as_json: bool,
) -> None:
    """Make a consumer, or set the terms of one that is there."""
    view = await ledger.consumers.put(
        name,
        ConsumerPut(
            start=_position(start),
            types=tuple(part.strip() for part in types.split(",") if part.strip()),
            job_id=job_id,
            lease_s=lease_s,
            max_attempts=max_attempts,
        ),
    )
    if as_json:
        printing.print_json(view)
        return
    _print(view)


def _position(text: str) -> int | Literal["beginning", "end"]:
    match text:
        case "beginning" | "end":
            return text
        case _ if text.isdecimal():
            return int(text)
        case _:
            raise click.UsageError(f"{text!r} is not {START}")


@consumers.command("reset")
@click.argument("name")
@click.argument("position")
@connected
async def reset_consumer(ledger: Ledger, *, name: str, position: str) -> None:
    """Go on from POSITION: beginning, end, or a number to go on behind."""
    await ledger.consumers.reset(name, ResetPost(position=_position(position)))


@consumers.command("parked")
@click.argument("name")
@click.option("--retrying", is_flag=True, help="Those too that are tried again by themselves.")
@json_option
@connected
async def list_parked(ledger: Ledger, *, name: str, retrying: bool, as_json: bool) -> None:
    """List the executions that are parked."""
    found = await ledger.consumers.parked(name, retrying=retrying)
    if as_json:
        printing.print_json(found)
        return
    printing.print_table(
        ("stream", "position", "attempts", "waiting behind", "since", "next try", "reason"),
        (
            (
                printing.plain(view.stream),
                view.position,
                view.attempts,
                view.waiting,
                printing.instant(view.held_at),
                printing.instant(view.retry_at),
                printing.plain(view.reason),
            )
            for view in found.streams
        ),
    )


@consumers.command("replay")
@click.argument("name")
@click.argument("streams", nargs=-1)
@connected
async def replay_parked(ledger: Ledger, *, name: str, streams: tuple[str, ...]) -> None:
    """Try parked executions anew, all of them when no stream is named."""
    done = await ledger.consumers.replay(name, streams or None)
    for stream in done.streams:
        printing.console().print(printing.plain(stream))


@consumers.command("discard")
@click.argument("name")
@click.argument("streams", nargs=-1, required=True)
@connected
async def discard_parked(ledger: Ledger, *, name: str, streams: tuple[str, ...]) -> None:
    """Give up the event that stands in the way of each stream; those behind it go on."""
    done = await ledger.consumers.discard(name, streams)
    for stream in done.streams:
        printing.console().print(printing.plain(stream))


@consumers.command("delete")
@click.argument("name")
@connected
async def delete_consumer(ledger: Ledger, *, name: str) -> None:
    """Remove a consumer and its position."""
    await ledger.consumers.delete(name)


@consumers.command("read")
@click.argument("name")
@click.option("--member", help="Who reads; no two at a time under one name. [default: made up]")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--once", is_flag=True, help="Stop when nothing waits.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON an event.")
@connected
async def read_consumer(
    ledger: Ledger, *, name: str, member: str | None, limit: int, once: bool, as_json: bool
) -> int:
    """Print events and acknowledge them, batch after batch, sharing with other members."""
    out = printing.console()
    async with aclosing(
        ledger.consumers.read(name, member=member, limit=limit, until_empty=once)
    ) as batches:
        async for batch in batches:
            for event in batch:
                if as_json:
                    printing.print_json_line(event)
                else:
                    out.print(event_line(event))
    return exits.DONE
