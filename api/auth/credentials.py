"""`DIR/credentials.json`: the first identity of a ledger, made once and registered in its log.

The file is the only place where these secrets are readable. A data directory that is attached to
another database registers the same secrets there.
"""

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from api.auth.principal import ALL, DEFAULT_ORGANIZATION
from ledger.handle.keys import Keys, new_secret
from ledger.store.port import Context

FILE: Final = "credentials.json"


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
    known = read_credentials(directory)
    credentials = (
        replace(known, url=url)
        if known is not None
        else Credentials(
            url=url,
            admin_key=f"jl_{new_secret()}",
            client_id=f"client-{new_secret()[:12]}",
            client_secret=new_secret(),
            api_key=f"jl_{new_secret()}",
            user="admin",
            password=new_secret(),
        )
    )
    if credentials != known:
        write_credentials(directory, credentials)
    context = Context(organization=DEFAULT_ORGANIZATION, actor="ledger")
    for name, public_id, secret in (
        ("admin", "admin-key", credentials.admin_key),
        ("client", credentials.client_id, credentials.client_secret),
        ("api-key", "api-key", credentials.api_key),
        ("user", credentials.user, credentials.password),
    ):
        await keys.create(
            context,
            name=name,
            roles=("admin",),
            organizations=(DEFAULT_ORGANIZATION, ALL),
            public_id=public_id,
            secret=secret,
        )
    return credentials


def write_credentials(directory: Path, credentials: Credentials) -> None:
    """Write the file whole or not at all, readable by its owner only."""
    draft = directory / f".{FILE}.{os.getpid()}"
    body = msgspec.json.format(msgspec.json.encode(credentials), indent=2)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(directory / FILE)
