"""`DIR/credentials.json`: the first identity of a ledger, made once and registered in its log.

The file is the only place where these secrets are readable. A data directory that is attached to
another database registers the same secrets there. Several servers may start on one directory at
once: the first file stays, and the url in it is that of the server that started last. A key that
was revoked stays so over restarts; remove the file to get new ones. A key whose events in the log cannot
be read, because somebody changed them, opens nothing: a new one takes its place in the file.
"""

import os
import secrets
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from api.auth.principal import ALL, DEFAULT_ORGANIZATION
from ledger.errors import ClaimTaken, Corrupt
from ledger.handle.keys import Keys, new_secret
from ledger.store.port import Context

FILE: Final = "credentials.json"
MIN_SECRET: Final = 24
_OTHERS: Final = 0o077
"""Permissions of everybody but the owner."""
_log = structlog.get_logger(__name__)


class Credentials(Struct, frozen=True, kw_only=True):
    """What the file holds; `admin_key` opens every route, the others one identity per scheme."""

    url: str
    admin_key: str
    client_id: str
    client_secret: str
    api_key: str
    user: str
    password: str


def read_credentials(directory: Path) -> Credentials | None:
    """Read the file of a data directory; None when there is none.

    Raises:
        ValueError: it is there but cannot be understood; restore it, or remove it for new secrets.
    """
    file = directory / FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Credentials)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        message = f"{file} cannot be read ({error}); restore it, or remove it to get new secrets"
        raise ValueError(message) from error


async def ensure_credentials(directory: Path, url: str, keys: Keys) -> Credentials:
    """Make the file if it is missing, and see that the log knows its keys. Idempotent."""
    found = read_credentials(directory)
    if found is not None:
        _require_long(directory, found)
    known = found or _first(directory, _made_up(url))
    credentials = replace(known, url=url)
    if credentials != known:
        write_credentials(directory, credentials)
    _close_to_others(directory / FILE)
    context = Context(organization=DEFAULT_ORGANIZATION, actor="ledger")
    for name, public_id, field in (
        ("admin", "admin-key", "admin_key"),
        ("client", credentials.client_id, "client_secret"),
        ("api-key", "api-key", "api_key"),
        ("user", credentials.user, "password"),
    ):
        told = partial(
            keys.create,
            context,
            name=name,
            roles=("admin",),
            organizations=(DEFAULT_ORGANIZATION, ALL),
            public_id=public_id,
        )
        try:
            await told(secret=getattr(credentials, field))
        except ClaimTaken:
            _log.warning("a key of the credentials file was revoked", key=name)
        except Corrupt:
            # Somebody changed its events. Whoever owns this directory must still come in and look.
            _log.error("a key's events cannot be read; another takes its place", key=name)
            made: dict[str, str] = {field: getattr(_made_up(url), field)}
            await told(secret=made[field])
            credentials = replace(credentials, **made)
            write_credentials(directory, credentials)
    return credentials


def _require_long(directory: Path, credentials: Credentials) -> None:
    """Refuse secrets that somebody chose and that can be guessed from the digests in the log.

    Raises:
        ValueError: one is too short.
    """
    for name in ("admin_key", "client_secret", "api_key", "password"):
        if len(getattr(credentials, name)) < MIN_SECRET:
            message = f"{directory / FILE}: {name} must have at least {MIN_SECRET} characters"
            raise ValueError(message)


def _made_up(url: str) -> Credentials:
    return Credentials(
        url=url,
        admin_key=f"jl_{new_secret()}",
        client_id=f"client-{new_secret()[:12]}",
        client_secret=new_secret(),
        api_key=f"jl_{new_secret()}",
        user="admin",
        password=new_secret(),
    )


def _first(directory: Path, credentials: Credentials) -> Credentials:
    """Put the file where none is; give what is there if another process was faster."""
    draft = _draft(directory, credentials)
    try:
        os.link(draft, directory / FILE)
    except FileExistsError:
        return read_credentials(directory) or credentials
    finally:
        draft.unlink()
    return credentials


def _close_to_others(file: Path) -> None:
    """Take from others what a copy or a restored backup may have let them have."""
    if file.stat().st_mode & _OTHERS:
        file.chmod(0o600)


def write_credentials(directory: Path, credentials: Credentials) -> None:
    """Write the file whole or not at all, readable by its owner only."""
    _draft(directory, credentials).replace(directory / FILE)


def _draft(directory: Path, credentials: Credentials) -> Path:
    draft = directory / f".{FILE}.{secrets.token_hex(8)}"
    body = msgspec.json.format(msgspec.json.encode(credentials), indent=2)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return draft
