"""A tail that writes down every event it sees, and goes on where it was, however it ended.

Run as a program: `python -m tests.crash.harness.follower <plan as JSON>`. Its file has a line
`position event-id` for each event, and `# …` where it began again.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from random import Random
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct

from tests.crash.harness.calls import Calls, pause, session

LIMIT: Final = 500
WAIT_S: Final = 2.0
SILENCE_S: Final = 6.0
"""A stream that says nothing for so long, not even that it lives, is given up."""

Form = Literal["json", "ndjson", "sse"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)


class Plan(Struct, frozen=True, kw_only=True):
    """What a follower is to do."""

    name: str
    urls: tuple[str, ...]
    key: str
    seed: str
    file: str
    form: Form = "json"
    is_naive: bool = False
    """Begin at the head it finds instead of where it was: what a careful tail must not do."""


class Seen:
    """The file of what was seen."""

    def __init__(self, path: Path) -> None:
        self.after = last_position(path)
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if path.stat().st_size:
            # What a killed one left half written is told apart from a line.
            os.write(self._handle, b"\n")

    def begin(self, why: str) -> None:
        """Note that it begins, again."""
        os.write(self._handle, f"# {why} after {self.after}\n".encode())

    def add(self, events: list[tuple[int, str]]) -> None:
        """Note events in the order they came."""
        text = "".join(f"{position} {event_id}\n" for position, event_id in events)
        os.write(self._handle, text.encode())
        self.after = events[-1][0]


def last_position(path: Path) -> int:
    """Read where a follower was."""
    after = 0
    if path.exists():
        for position, _ in read(path):
            after = position
    return after


def read(path: Path) -> list[tuple[int, str]]:
    """Read what a follower saw, in the order it did; a line that was cut is not there."""
    found: list[tuple[int, str]] = []
    with path.open() as file:
        for line in file:
            words = line.split()
            if (
                line.endswith("\n")
                and len(words) == 2
                and words[0].isdigit()
                and len(words[1]) == 36
            ):
                found.append((int(words[0]), words[1]))
    return found


async def follow(plan: Plan) -> None:
    """Follow for ever, with another server after each failure."""
    seen, dice = Seen(Path(plan.file)), Random(plan.seed)
    async with session() as web:
        servers = [Calls(url, plan.key, web) for url in plan.urls]
        while True:
            server = dice.choice(servers)
            if plan.is_naive:
                answer = await server.call("GET", "/v1/events", limit=1)
                if answer.status != 200:
                    await pause(0.1)
                    continue
                seen.after = answer.json["head"]
            seen.begin(server.url)
            match plan.form:
                case "json":
                    await _pages(server, seen)
                case "ndjson":
                    await _lines(server, seen)
                case "sse":
                    await _frames(server, seen)
            await pause(dice.uniform(0.02, 0.2))


async def _pages(server: Calls, seen: Seen) -> None:
    """Read pages until one does not come."""
    while True:
        answer = await server.call(
            "GET", "/v1/events", after=seen.after, limit=LIMIT, wait=WAIT_S, timeout_s=10
        )
        if answer.status != 200:
            return
        page = answer.json
        if page["events"]:
            seen.add([(event["position"], event["event_id"]) for event in page["events"]])


async def _lines(server: Calls, seen: Seen) -> None:
    """Read NDJSON until it breaks off."""
    headers = {"Accept": "application/x-ndjson"}
    status = b""
    async for line in server.stream(
        "GET",
        "/v1/events",
        headers=headers,
        silence_s=SILENCE_S,
        after=seen.after,
        follow="true",
    ):
        if not status:
            status = line
        elif status == b"200" and line:
            event = msgspec.json.decode(line)
            if "heartbeat" not in event:
                seen.add([(event["position"], event["event_id"])])


async def _frames(server: Calls, seen: Seen) -> None:
    """Read server-sent events until they break off; go on by Last-Event-ID."""
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(seen.after)}
    status = data = b""
    async for line in server.stream("GET", "/v1/events", headers=headers, silence_s=SILENCE_S):
        if not status:
            status = line
        elif status == b"200" and line.startswith(b"data: "):
            data = line.removeprefix(b"data: ")
        elif not line and data:
            event = msgspec.json.decode(data)
            seen.add([(event["position"], event["event_id"])])
            data = b""


async def main(plan: Plan) -> None:
    """Follow until told to stop."""
    loop = asyncio.get_running_loop()
    following = asyncio.create_task(follow(plan))
    loop.add_signal_handler(signal.SIGTERM, following.cancel)
    await asyncio.wait((following,))
    if not following.cancelled():
        following.result()


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Plan)))
