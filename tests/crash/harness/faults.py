"""What can be done to a world: each fault begins, lasts for a while, and ends; all are drawn by dice.

A fault that leaves something in place (a stopped process, a full disk) takes it away itself; `heal`
does so again for all of them, so that faults may overlap.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

import asyncpg

from tests.crash.harness.actors import Actor, send
from tests.crash.harness.burst import Burst
from tests.crash.harness.calls import pause
from tests.crash.harness.proxy import Proxy
from tests.crash.harness.world import World

Fault = Callable[[World, Random], Awaitable[None]]


async def _kill_and_start(world: World, dice: Random, actor: Actor) -> None:
    await actor.kill()
    if dice.random() < 0.6:
        await pause(dice.uniform(0.0, 2.0))
    await actor.start()


async def kill_server(world: World, dice: Random) -> None:
    """One server, with or without a pause before it starts again."""
    await _kill_and_start(world, dice, dice.choice(world.servers))


async def kill_sibling(world: World, dice: Random) -> None:
    """One of several processes on a server's port, or the one that keeps them."""
    if pids := world.server_processes():
        send(dice.choice(pids), signal.SIGKILL)


async def kill_all_servers(world: World, dice: Random) -> None:
    """All servers at once."""
    for actor in world.servers:
        actor.signal(signal.SIGKILL)
    await asyncio.gather(*(_kill_and_start(world, dice, actor) for actor in world.servers))


async def restart_server(world: World, dice: Random) -> None:
    """One server told to stop, as an upgrade does."""
    server = dice.choice(world.servers)
    await server.stop()
    await server.start()


async def kill_worker(world: World, dice: Random) -> None:
    """One worker in the middle of its steps."""
    await _kill_and_start(world, dice, dice.choice(world.workers))


async def kill_views(world: World, dice: Random) -> None:
    """One process that writes views beside a server; its server starts another."""
    if pids := world.view_writers():
        send(dice.choice(pids), signal.SIGKILL)


async def kill_postmaster(world: World, dice: Random) -> None:
    """PostgreSQL's first process."""
    if pid := world.postmaster():
        send(pid, signal.SIGKILL)


async def kill_backend(world: World, dice: Random) -> None:
    """One process that serves a connection: PostgreSQL then ends all of them and recovers."""
    if pids := world.backends():
        send(dice.choice(pids), signal.SIGKILL)


async def end_backend(world: World, dice: Random) -> None:
    """One process that serves a connection, in good order: only that connection is lost."""
    if pids := world.backends():
        send(dice.choice(pids), signal.SIGTERM)


async def kill_all_of_postgres(world: World, dice: Random) -> None:
    """Every process of PostgreSQL at once."""
    for pid in world.postgres_pids():
        send(pid, signal.SIGKILL)


async def kill_keeper(world: World, dice: Random) -> None:
    """Who keeps PostgreSQL running for the servers, which do not."""
    if world.shape.database == "external":
        await _kill_and_start(world, dice, world.keeper)


async def kill_everything(world: World, dice: Random) -> None:
    """All processes that there are, as when the machine goes down."""
    actors = [*world.servers, *world.workers, *world.writers, *world.tails, *world.consumers]
    if world.shape.database == "external":
        actors.append(world.keeper)
    for actor in actors:
        actor.signal(signal.SIGKILL)
    for pid in world.postgres_pids():
        send(pid, signal.SIGKILL)
    await asyncio.gather(*(actor.kill() for actor in actors))
    await world.heal()


async def kill_writer(world: World, dice: Random) -> None:
    """Callers in the middle of their requests."""
    await _kill_and_start(world, dice, dice.choice(world.writers))


async def kill_tail(world: World, dice: Random) -> None:
    """A tail in the middle of its page."""
    await _kill_and_start(world, dice, dice.choice(world.tails))


async def kill_consumer(world: World, dice: Random) -> None:
    """A consumer's members with events in their hands."""
    await _kill_and_start(world, dice, dice.choice(world.consumers))


async def _freeze(pids: list[int], seconds: float) -> None:
    try:
        for pid in pids:
            send(pid, signal.SIGSTOP)
        await pause(seconds)
    finally:
        for pid in pids:
            send(pid, signal.SIGCONT)


async def freeze_server(world: World, dice: Random) -> None:
    """A server that does nothing for longer than leases last."""
    pids = world.server_processes()
    await _freeze([dice.choice(pids)] if pids else [], dice.uniform(0.2, 6.0))


async def freeze_worker(world: World, dice: Random) -> None:
    """A worker that comes back after its executions were given to others."""
    pid = dice.choice(world.workers).pid
    await _freeze([pid] if pid else [], world.scale.lease_s * dice.uniform(1.2, 3.0))


async def freeze_views(world: World, dice: Random) -> None:
    """The views' owner, for longer than its lease."""
    pids = world.view_writers() or world.server_processes()
    await _freeze([dice.choice(pids)] if pids else [], dice.uniform(1.0, 6.0))


async def freeze_backend(world: World, dice: Random) -> None:
    """A process that serves a connection, with the locks it has."""
    pids = world.backends()
    await _freeze([dice.choice(pids)] if pids else [], dice.uniform(0.2, 7.0))


async def freeze_postmaster(world: World, dice: Random) -> None:
    """PostgreSQL takes no new connections; those that are there work."""
    pid = world.postmaster()
    await _freeze([pid] if pid else [], dice.uniform(0.2, 4.0))


async def freeze_postgres(world: World, dice: Random) -> None:
    """Everything of PostgreSQL, as on a machine that swaps."""
    await _freeze(world.postgres_pids(), dice.uniform(0.2, 5.0))


def _a_proxy(world: World, dice: Random) -> Proxy:
    return dice.choice(world.fronts + (world.backs if world.shape.database == "external" else []))


async def cut_connections(world: World, dice: Random) -> None:
    """Some or all connections are reset."""
    _a_proxy(world, dice).cut(dice, dice.choice((0.2, 0.5, 1.0)))


async def cut_in_requests(world: World, dice: Random) -> None:
    """Connections are reset in the middle of what is sent."""
    _a_proxy(world, dice).cut_requests += dice.randrange(1, 12)
    await pause(dice.uniform(0.1, 0.6))


async def cut_in_answers(world: World, dice: Random) -> None:
    """Connections are reset in the middle of what is answered."""
    _a_proxy(world, dice).cut_answers += dice.randrange(1, 12)
    await pause(dice.uniform(0.1, 0.6))


async def swallow_answers(world: World, dice: Random) -> None:
    """What was asked for is done, and whoever asked is not told."""
    _a_proxy(world, dice).swallow_answers += dice.randrange(1, 20)
    await pause(dice.uniform(0.1, 0.6))


async def half_close(world: World, dice: Random) -> None:
    """The far side hears that nothing more comes, and may still answer."""
    _a_proxy(world, dice).half_close()


async def delay(world: World, dice: Random) -> None:
    """Everything takes longer."""
    proxy = _a_proxy(world, dice)
    proxy.delay_s = dice.uniform(0.01, 0.4)
    await pause(dice.uniform(0.5, 3.0))
    proxy.delay_s = 0.0


async def stall(world: World, dice: Random) -> None:
    """Nothing passes, and nobody is told."""
    proxy = _a_proxy(world, dice)
    proxy.stall()
    await pause(dice.uniform(0.5, 8.0))
    proxy.heal()


async def refuse(world: World, dice: Random) -> None:
    """New connections are reset at once, and those that there are too."""
    proxy = _a_proxy(world, dice)
    proxy.refuses = True
    proxy.cut()
    await pause(dice.uniform(0.3, 3.0))
    proxy.refuses = False


async def burst(world: World, dice: Random) -> None:
    """More at once than may wait: PostgreSQL stands still, and the rest is told to come back."""
    sender = Burst(world, world.direct(dice.randrange(world.scale.servers)))
    # What a create needs to know of its job is known then without a database.
    await sender.one(5.0)
    pids = world.postgres_pids()
    try:
        for pid in pids:
            send(pid, signal.SIGSTOP)
        sending = asyncio.gather(*(sender.many() for _ in range(3)))
        for _ in range(20):
            if (await sender.one(0.3)).problem == "too-busy":
                break
    finally:
        for pid in pids:
            send(pid, signal.SIGCONT)
    await sending


async def fill_disk(world: World, dice: Random) -> None:
    """PostgreSQL can write nothing new; most of the time it is driven to where that ends it."""
    if not world.disk.is_limited:
        return
    await asyncio.to_thread(world.disk.fill)
    try:
        if dice.random() < 0.7:
            await _use_up_segments(world)
        await pause(dice.uniform(0.5, 4.0))
    finally:
        await asyncio.to_thread(world.disk.empty)


async def _use_up_segments(world: World) -> None:
    """Switch from one segment of PostgreSQL's log to the next until there is none.

    Segments that are used up are used again before new ones are made. Where none can be made
    PostgreSQL panics, and it does so again whenever it recovers, for as long as the disk is full.
    """
    try:
        connection = await asyncpg.connect(world.dsn, timeout=3)
        try:
            for _ in range(200):
                statement = "select pg_logical_emit_message(true, 'x', 'x'), pg_switch_wal()"
                await connection.execute(statement, timeout=3)
        finally:
            connection.terminate()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        world.counts[f"disk full, PostgreSQL ended ({type(error).__name__})"] += 1


FAULTS: Final[tuple[tuple[int, Fault], ...]] = (
    (8, kill_server),
    (3, kill_sibling),
    (3, kill_all_servers),
    (3, restart_server),
    (6, kill_worker),
    (4, kill_views),
    (6, kill_postmaster),
    (5, kill_backend),
    (3, end_backend),
    (3, kill_all_of_postgres),
    (3, kill_keeper),
    (2, kill_everything),
    (3, kill_writer),
    (3, kill_tail),
    (3, kill_consumer),
    (4, freeze_server),
    (5, freeze_worker),
    (4, freeze_views),
    (4, freeze_backend),
    (2, freeze_postmaster),
    (3, freeze_postgres),
    (4, cut_connections),
    (4, cut_in_requests),
    (4, cut_in_answers),
    (4, swallow_answers),
    (2, half_close),
    (3, delay),
    (3, stall),
    (2, refuse),
    (3, burst),
    (4, fill_disk),
)


def name_of(fault: Fault) -> str:
    """Name a fault for people."""
    return str(getattr(fault, "__name__", "fault")).replace("_", " ")


def draw(dice: Random) -> list[Fault]:
    """Draw what happens next: mostly one thing, sometimes two or three at once."""
    count = dice.choices((1, 2, 3), (6, 3, 1))[0]
    return dice.choices([f for _, f in FAULTS], [w for w, _ in FAULTS], k=count)
