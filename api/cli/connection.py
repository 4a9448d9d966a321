"""Which server a command speaks to, under which key, and what becomes of its errors.

Address and key come from `--url` and `--key`, else from JOBLEDGER_URL and JOBLEDGER_KEY, else from
the `credentials.json` that the server wrote into its data directory.
"""

import asyncio
import functools
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import click
import msgspec
from msgspec import Struct

from api.cli import exits
from api.cli.problems import say
from api.client.errors import ClientError, Refused, Unreachable
from api.client.session import Ledger

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_DATA: Final = Path(".jobledger")
DEFAULT_URL: Final = "http://127.0.0.1:8080"
CREDENTIALS: Final = "credentials.json"


class Credentials(Struct, frozen=True, kw_only=True):
    """What the server writes at its first start."""

    url: str
    admin_key: str
    client_id: str = ""
    client_secret: str = ""
    api_key: str = ""
    user: str = ""
    password: str = ""


class Address(Struct, frozen=True, kw_only=True):
    """Where a command's calls go."""

    url: str
    key: str


def read_credentials(data: Path) -> Credentials | None:
    """Read the server's credentials; None while there are none that can be read whole."""
    try:
        return msgspec.json.decode((data / CREDENTIALS).read_bytes(), type=Credentials)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    except OSError as error:
        raise click.UsageError(f"{data / CREDENTIALS} cannot be read: {error.strerror}") from error


def find_address(url: str | None, key: str | None, data: Path) -> Address:
    """Complete what was given with what the data directory knows."""
    if url and key:
        return Address(url=url, key=key)
    found = read_credentials(data)
    return Address(
        url=url or (found.url if found else DEFAULT_URL),
        key=key or (found.admin_key if found else ""),
    )


def data_option(function: F) -> F:
    """Add `--data`."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_DATA,
        envvar="JOBLEDGER_DATA",
        show_default=True,
        help="The server's data directory, whose credentials are used.",
    )(function)


def address_options(function: F) -> F:
    """Add `--url`, `--key` and `--data`."""
    function = data_option(function)
    function = click.option(
        "--key", envvar="JOBLEDGER_KEY", help="Access key (better: JOBLEDGER_KEY)."
    )(function)
    return click.option("--url", envvar="JOBLEDGER_URL", help="The server's address.")(function)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def connected(
    function: Callable[Concatenate[Ledger, P], Coroutine[Any, Any, int | None]],
) -> Callable[..., None]:
    """Make an async function with a connection into a command's body; it returns the exit code."""

    @address_options
    @functools.wraps(function)
    def body(
        url: str | None, key: str | None, data: Path, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        address = find_address(url, key, data)

        async def call() -> int | None:
            async with Ledger(address.url, address.key) as ledger:
                return await function(ledger, *args, **kwargs)

        sys.exit(run(call()) or exits.DONE)

    return body


def run(work: Coroutine[Any, Any, int | None]) -> int:
    """Run *work*; show what goes wrong in a person's words, and give the exit code."""
    try:
        return asyncio.run(work) or exits.DONE
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        return exits.DONE
    except ClientError as error:
        say(error)
        match error:
            case Unreachable():
                return exits.UNREACHABLE
            case Refused():
                return exits.REFUSED
            case _:
                return exits.FAILED
