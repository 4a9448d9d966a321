"""`serve --processes N`: N servers on one port, and one process that keeps them.

The keeper owns what there is once: the embedded PostgreSQL, the address, and the process that writes
the views. It answers no requests. Each sibling is a whole server of its own, as if started on the same
database elsewhere; a sibling that dies is replaced, and its connections are the only ones that notice.

The kernel spreads connections over the siblings (SO_REUSEPORT, `socket(7)`): each listens by itself, and
the keeper holds the port by a socket that is bound and does not listen.

What one sibling acknowledged is covered by reads at every other, as within one server: in memory that
they share each has a slot for the highest position it acknowledged, which it alone writes, and a read
covers the highest of all slots. A slot outlives its process.
"""

import asyncio
import mmap
import os
import socket
from contextlib import AsyncExitStack
from typing import Final

from msgspec import Struct

from api.beside import views_process
from api.kept import Kept
from api.settings import PREFIX, Settings

VARIABLE: Final = "JOBLEDGER_SIBLING"
"""How a sibling knows that it is one: the shared memory's descriptor, how many there are, and which."""
_POSITION_BYTES: Final = 8
_STOP_MARGIN_S: Final = 10.0


class Acknowledged:
    """The highest position of the log that this server, all its siblings counted, acknowledged."""

    def __init__(self, slots: memoryview | None = None, own: int = 0) -> None:
        """Share *slots* with siblings; without any, be alone."""
        self._slots = slots if slots is not None else memoryview(bytearray(8)).cast("Q")
        self._own = own

    @property
    def position(self) -> int:
        """Give it."""
        return max(self._slots)

    def note(self, position: int) -> None:
        """Learn that this process acknowledges *position*, before it says so to anybody."""
        # Aligned, so it is written whole or not at all, and no other process writes this slot.
        self._slots[self._own] = max(self._slots[self._own], position)


class Sibling(Struct, frozen=True):
    """What a server knows of the others on its port."""

    count: int
    acknowledged: Acknowledged


def sibling() -> Sibling:
    """Tell which of how many servers on one port this process is; alone, the only one."""
    told = os.environ.get(VARIABLE)
    if told is None:
        return Sibling(1, Acknowledged())
    descriptor, count, own = map(int, told.split(":"))
    shared = mmap.mmap(descriptor, count * _POSITION_BYTES)
    return Sibling(count, Acknowledged(memoryview(shared).cast("Q"), own))


def bind(settings: Settings) -> socket.socket:
    """Bind the address in such a way that siblings can listen on it; do not listen.

    Raises:
        OSError: somebody else has it.
    """
    address = (settings.host, settings.port)
    # Once without sharing: else another server's connections would be spread over both.
    with _socket(settings) as alone:
        alone.bind(address)
        address = alone.getsockname()
    held = _socket(settings)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError:
        held.close()
        raise
    return held


def _socket(settings: Settings) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


def keep(settings: Settings, dsn: str, stack: AsyncExitStack) -> None:
    """Start the siblings and what writes the views; *stack* stops them, the siblings first."""
    held = stack.enter_context(bind(settings))
    shared = os.memfd_create("jobledger-acknowledged")
    stack.callback(os.close, shared)
    os.ftruncate(shared, settings.processes * _POSITION_BYTES)
    views = views_process(dsn, settings)
    stack.push_async_callback(views.stop)
    views.start()
    environment = {
        f"{PREFIX}HOST": settings.host,
        f"{PREFIX}PORT": str(held.getsockname()[1]),
        f"{PREFIX}DATA": str(settings.data),
        f"{PREFIX}DATABASE_URL": dsn,
        f"{PREFIX}VIEWS": "elsewhere",
        f"{PREFIX}PROCESSES": "1",
    }
    kept = [
        Kept(
            f"server {own}",
            ("-m", "api.cli.main", "serve", "--stop-with-stdin"),
            {**environment, VARIABLE: f"{shared}:{settings.processes}:{own}"},
            inherited=(shared,),
            stop_s=settings.shutdown_grace_s + _STOP_MARGIN_S,
        )
        for own in range(settings.processes)
    ]
    stack.push_async_callback(_stop, kept)
    for one in kept:
        one.start()


async def _stop(kept: list[Kept]) -> None:
    async with asyncio.TaskGroup() as group:
        for one in kept:
            group.create_task(one.stop())
