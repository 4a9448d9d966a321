"""Servers, workers, writers, tails and PostgreSQL, put together on one data directory."""

import asyncio
import os
import signal
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, get_args

import aiohttp
import msgspec
from msgspec import Struct

from api.auth.credentials import read_credentials
from ledger.store import embedded_process
from ledger.store.embedded import EmbeddedPostgres
from tests.crash.harness import consumer, follower, writer
from tests.crash.harness.actors import MARKER, Actor, children, marked, resident_mb, send
from tests.crash.harness.calls import Answer, Calls, pause, session
from tests.crash.harness.disk import Disk
from tests.crash.harness.proxy import Proxy, Streams

Database = Literal["embedded", "external"]
Views = Literal["inside", "beside"]
DATABASES: Final[tuple[Database, ...]] = get_args(Database)
VIEWS: Final[tuple[Views, ...]] = get_args(Views)

READY_S: Final = 60.0
"""Within this long everything is back after everything was healed."""
VERIFY_S: Final = 300.0
LOOK_S: Final = 0.05
MAX_WAITING: Final = 300
CRON: Final = ("tick-skip", "tick-queue")


class Scale(Struct, frozen=True, kw_only=True):
    """How much of everything there is, and how short the ledger's patience."""

    servers: int = 2
    workers: int = 2
    concurrency: int = 6
    writers: int = 1
    callers: int = 16
    tails: int = 3
    pace_s: float = 0.03
    lease_s: float = 1.0
    queue_timeout_s: float = 4.0
    timeout_s: float = 10.0
    disk_mb: int = 4096


class Shape(Struct, frozen=True, kw_only=True):
    """How the servers are set up."""

    database: Database = "embedded"
    views: Views = "inside"
    processes: int = 1
    """How many processes each server has on its port."""


class NotBack(Exception):
    """Something did not come back although everything was healed."""


class World:
    """Everything of one run; what `open` began `close` ends."""

    def __init__(self, home: Path, seed: str, scale: Scale) -> None:
        self.home = home
        self.seed = seed
        self.scale = scale
        self.run = str(home)
        self.data = home / "ledger"
        self.journals = home / "journals"
        self.tails_folder = home / "tails"
        self.disk = Disk(self.data / "postgres", scale.disk_mb)
        self.shape = Shape()
        self.servers: list[Actor] = []
        self.workers: list[Actor] = []
        self.writers: list[Actor] = []
        self.tails: list[Actor] = []
        self.consumers: list[Actor] = []
        self.keeper: Actor
        self.fronts: list[Proxy] = []
        """Between clients and each server."""
        self.backs: list[Proxy] = []
        """Between each server and PostgreSQL, when it is reached over TCP."""
        self.counts: Counter[str] = Counter()
        self.key = ""
        self._keys: dict[str, str] = {}
        self._ports: list[int] = []
        self._web: aiohttp.ClientSession
        self._postgres = EmbeddedPostgres(self.data / "postgres")

    # Life

    async def open(self, shape: Shape) -> None:
        """Start everything, on a fresh directory."""
        for folder in (self.data, self.journals, self.tails_folder, self.home / "logs"):
            folder.mkdir(parents=True, mode=0o700)
        self.disk.mount()
        self._web = session()
        for number in range(self.scale.servers):
            self._ports.append(_free_port())
            front = Proxy(self._dial_server(number))
            back = Proxy(self._dial_postgres)
            await front.open()
            await back.open()
            self.fronts.append(front)
            self.backs.append(back)
        self.keeper = self._actor(
            "keeper", "-m", "tests.crash.harness.keeper", str(self.data / "postgres")
        )
        await self.take_shape(shape)
        await self._furnish()

    async def close(self, *, keep: bool) -> list[str]:
        """End everything; give what would have lived on. What PostgreSQL holds is kept if wanted."""
        self.heal_now()
        for actor in self._clients:
            await actor.kill()
        for actor in (*self.servers, self.keeper):
            await actor.stop()
        for proxy in (*self.fronts, *self.backs):
            await proxy.close()
        await self._web.close()
        left = await self._until_nothing_lives()
        await asyncio.to_thread(self.disk.unmount, keep=keep)
        return left

    async def _until_nothing_lives(self) -> list[str]:
        deadline = asyncio.get_running_loop().time() + 20
        while left := [*marked(self.run), *(f"postgres {pid}" for pid in self.postgres_pids())]:
            if asyncio.get_running_loop().time() > deadline:
                for told in left:
                    send(int(told.split()[0 if told[0].isdigit() else 1]), signal.SIGKILL)
                return left
            await pause(LOOK_S)
        return []

    async def take_shape(self, shape: Shape) -> None:
        """Stop the servers in good order and start them in another shape, on the same directory."""
        for actor in self.servers:
            await actor.stop()
        if self.servers:
            await self.keeper.stop()
        self._keep_history(self.servers)
        self.shape = shape
        self.servers = [self._server(number) for number in range(self.scale.servers)]
        if shape.database == "external":
            await self.keeper.start()
            await self._until(self._takes_connections, "PostgreSQL")
        for actor in self.servers:
            await actor.start()
        await self.until_ready()

    def _keep_history(self, actors: Sequence[Actor]) -> None:
        for actor in actors:
            self.counts["servers that ended by themselves"] += len(actor.gave_up)
            self.counts["servers that did not stop when told"] += actor.hung

    # Parts

    def _actor(self, name: str, *arguments: str, environment: Mapping[str, str] = {}) -> Actor:
        log = self.home / "logs" / f"{name}.log"
        return Actor(name, log, arguments, {MARKER: self.run, **environment})

    def _server(self, number: int) -> Actor:
        environment = {
            "JOBLEDGER_VIEWS": self.shape.views,
            "JOBLEDGER_PROCESSES": str(self.shape.processes),
            "JOBLEDGER_MAX_WAITING": str(MAX_WAITING),
            "JOBLEDGER_LOG_FORMAT": "json",
            "JOBLEDGER_SHUTDOWN_GRACE_S": "1",
            "JOBLEDGER_STREAM_HEARTBEAT_S": "2",
        }
        if self.shape.database == "external":
            port = self.backs[number].port
            environment["JOBLEDGER_DATABASE_URL"] = (
                f"postgresql://postgres@127.0.0.1:{port}/jobledger"
            )
        return self._actor(
            f"server-{number}",
            *("-m", "api.cli.main", "serve", "--port", str(self._ports[number])),
            *("--data", str(self.data)),
            environment=environment,
        )

    async def _furnish(self) -> None:
        """Make keys and jobs, and start those who use them."""
        made = read_credentials(self.data)
        assert made is not None
        self.key = made.admin_key
        for name, definition in jobs(self.scale).items():
            await self.must("PUT", f"/v1/jobs/{name}", definition)
        urls = tuple(f"http://127.0.0.1:{front.port}" for front in self.fronts)
        for number in range(self.scale.workers):
            name = f"worker-{number}"
            self.workers.append(
                self._actor(
                    name,
                    *("-m", "api.cli.main", "worker", "--url", urls[number % len(urls)]),
                    *("--data", str(self.data), "--name", name),
                    *("--concurrency", str(self.scale.concurrency), "--grace", "0.5"),
                    environment={"JOBLEDGER_KEY": await self._make_key(name, "worker")},
                )
            )
        for number in range(self.scale.writers):
            name = f"writer-{number}"
            await self._make_key(name, "admin")
            self.writers.append(self._writer(name, urls))
        for number in range(self.scale.tails):
            form = follower.FORMS[number % len(follower.FORMS)]
            self.tails.append(self._tail(f"tail-{number}-{form}", urls, form))
        await self.must("PUT", consumer.PATH, consumer.TERMS)
        self.consumers.append(self._consumer("consumer-0", urls))

    def _writer(self, name: str, urls: tuple[str, ...]) -> Actor:
        plan = writer.Plan(
            name=name,
            urls=urls,
            key=self._keys[name],
            seed=f"{self.seed}/{name}",
            journal=str(self.journals / f"{name}.journal"),
            callers=self.scale.callers,
            pace_s=self.scale.pace_s,
            lease_s=self.scale.lease_s,
        )
        return self._actor(name, "-m", "tests.crash.harness.writer", _json(plan))

    def _consumer(self, name: str, urls: tuple[str, ...]) -> Actor:
        plan = consumer.Plan(
            name=name,
            urls=urls,
            key=self.key,
            seed=f"{self.seed}/{name}",
            file=str(self.tails_folder / f"{name}.consumed"),
        )
        return self._actor(name, "-m", "tests.crash.harness.consumer", _json(plan))

    def _tail(self, name: str, urls: tuple[str, ...], form: follower.Form) -> Actor:
        plan = follower.Plan(
            name=name,
            urls=urls,
            key=self.key,
            seed=f"{self.seed}/{name}",
            file=str(self.tails_folder / f"{name}.seen"),
            form=form,
        )
        return self._actor(name, "-m", "tests.crash.harness.follower", _json(plan))

    @property
    def _clients(self) -> tuple[Actor, ...]:
        return (*self.tails, *self.consumers, *self.workers, *self.writers)

    async def start_load(self) -> None:
        """Start workers, writers and tails, and the schedules."""
        for actor in self._clients:
            await actor.start()
        for job in CRON:
            overlap = job.removeprefix("tick-")
            schedule = {"cron": "* * * * * *", "overlap": overlap}
            await self.must("PUT", f"/v1/jobs/{job}/schedule", schedule)

    async def _make_key(self, name: str, role: str) -> str:
        answer = await self.must("POST", "/v1/keys", {"name": name, "roles": [role]})
        self._keys[name] = answer.json["secret"]
        return self._keys[name]

    # Asking

    def direct(self, number: int) -> Calls:
        """Give a way to a server that no proxy is in."""
        return Calls(f"http://127.0.0.1:{self._ports[number]}", self.key, self._web)

    async def must(self, method: str, path: str, body: Any = None) -> Answer:
        """Ask until it is done.

        Raises:
            NotBack: it was not.
        """
        answer = Answer(0)
        for attempt in range(60):
            answer = await self.direct(attempt % self.scale.servers).call(
                method, path, body, timeout_s=10
            )
            if 200 <= answer.status < 300:
                return answer
            await pause(0.2)
        raise NotBack(f"{method} {path}: {answer.status} {answer.raw[:300]!r} {answer.lost}")

    async def verified(self) -> str:
        """Have `jobledger verify` check the ledger, signed heads and all; give what it objects to."""
        verifier = self._actor(
            "verify",
            *("-m", "api.cli.main", "verify"),
            *("--url", f"http://127.0.0.1:{self._ports[0]}", "--data", str(self.data)),
            environment={"JOBLEDGER_KEY": self.key},
        )
        return await verifier.run(VERIFY_S)

    async def until_ready(self) -> float:
        """Wait until every server is ready; give the seconds it took.

        Raises:
            NotBack: one is not.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number in range(self.scale.servers):

            async def is_ready(number: int = number) -> bool:
                if not self.servers[number].pid:
                    # It gave up; whoever runs servers starts them again.
                    await self.servers[number].start()
                answer = await self.direct(number).call("GET", "/readyz", timeout_s=3)
                return answer.status == 200

            await self._until(is_ready, f"server {number}")
        return loop.time() - begun

    async def _until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_S
        while not await condition():
            if loop.time() > deadline:
                raise NotBack(f"{what} was not back within {READY_S:.0f} s")
            await pause(LOOK_S)

    async def _takes_connections(self) -> bool:
        self._postgres._open_directory()
        return await self._postgres._accepts_connections()

    @property
    def dsn(self) -> str:
        """PostgreSQL's address, past every proxy."""
        self._postgres._open_directory()
        return self._postgres.dsn

    def _dial_server(self, number: int) -> Callable[[], Awaitable[Streams]]:
        async def dial() -> Streams:
            return await asyncio.open_connection("127.0.0.1", self._ports[number])

        return dial

    async def _dial_postgres(self) -> Streams:
        self._postgres._open_directory()
        return await asyncio.open_unix_connection(self._postgres._socket)

    # PostgreSQL's processes

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own directory."""
        return self.data / "postgres" / "cluster"

    def postmaster(self) -> int:
        """Read the postmaster's pid; 0 while there is none."""
        try:
            return abs(int((self.cluster / "postmaster.pid").read_text().split()[0]))
        except (OSError, ValueError, IndexError):
            return 0

    def postgres_pids(self) -> list[int]:
        """List everything that runs of PostgreSQL."""
        try:
            account = embedded_process.choose_account(self.cluster)
            return embedded_process.cluster_processes(self.cluster, account)
        except OSError:
            return []

    def backends(self) -> list[int]:
        """List the processes that serve connections."""
        return [
            pid for pid in self.postgres_pids() if b"postgres: postgres jobledger" in _line(pid)
        ]

    def view_writers(self) -> list[int]:
        """List the processes that write views beside a server."""
        return [pid for server in self.servers for pid in children(server.pid, "api.beside")]

    def server_processes(self) -> list[int]:
        """List the processes that answer requests, or keep those that do."""
        pids = [server.pid for server in self.servers if server.pid]
        return pids + [child for pid in pids for child in children(pid, "api.cli.main")]

    # Healing

    def heal_now(self) -> None:
        """Take every fault away that leaves something in place."""
        for proxy in (*self.fronts, *self.backs):
            proxy.heal()
        for actor in (*self.servers, *self._clients, self.keeper):
            actor.signal(signal.SIGCONT)
        for pid in (*self.postgres_pids(), *self.view_writers(), *self.server_processes()):
            send(pid, signal.SIGCONT)
        with suppress(OSError):
            self.disk.empty()

    async def heal(self) -> None:
        """Take every fault away and start what does not run."""
        self.heal_now()
        if self.shape.database == "external":
            await self.keeper.start()
        for actor in (*self.servers, *self._clients):
            await actor.start()

    def memory_mb(self) -> float:
        """Give the largest server process's resident memory."""
        return max(map(resident_mb, self.server_processes()), default=0.0)


def jobs(scale: Scale) -> dict[str, Any]:
    """Define what is run: each kind of life that an execution can have, and none that lasts."""
    policies = {
        "lease_s": scale.lease_s,
        "queue_timeout_s": scale.queue_timeout_s,
        "timeout_s": scale.timeout_s,
        "cancel_grace_s": 1.0,
        "pause_grace_s": 1.0,
        "pause_limit_s": scale.queue_timeout_s,
    }

    def job(step_type: str, settings: Any = None, **more: Any) -> dict[str, Any]:
        own = {**policies, **more.pop("policies", {})}
        step = {"step_id": "one", "step_type_id": step_type, "with": settings or {}}
        return {"steps": [step], "policies": own, **more}

    def sleep(seconds: float, **more: Any) -> dict[str, Any]:
        return job("sleep", {"seconds": seconds}, **more)

    retry = {"retry": {"max_attempts": 2, "delay_s": 0.2}}
    return {
        "quick": sleep(0.05),
        "slow": sleep(2.0),
        "failing": job("sleep", {"seconds": "no number"}, policies=retry),
        "command": job("command", {"argv": ["sh", "-c", "sleep 0.2; echo done"]}),
        "up": sleep(0.05),
        "down": sleep(0.02, after=["up"], data_driven=True),
        "alone": sleep(0.3, policies={"when_running": "reject"}),
        "hand": job("hand"),
        "recorded": job("nobody"),
        "burst": job("nobody", policies={"queue_timeout_s": 2.0}),
        **{name: sleep(0.1) for name in CRON},
        **{f"planned-{number}": sleep(0.1) for number in range(3)},
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _json(plan: Struct) -> str:
    return msgspec.json.encode(plan).decode()


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_root() -> bool:
    """Whether this user may mount."""
    return os.geteuid() == 0
