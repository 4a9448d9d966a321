"""What can be set, from the environment and the command line; every value has a default and a unit."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from ledger.events.keys import Role

PREFIX = "JOBLEDGER_"
MAX_PROCESSES = 16
"""As many as the embedded PostgreSQL has connections for."""
LOOPBACK: Final = frozenset(("127.0.0.1", "::1", "localhost"))


class Issuer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another issuer of access tokens, and what its claims mean here."""

    issuer: str
    """The claim `iss`, to the letter."""
    audience: Annotated[str, Meta(min_length=1)]
    """One of the claim `aud`."""
    jwks_url: str
    """Where its keys are; https, or http on this machine."""
    roles_claim: str = "roles"
    """A list or a text with blanks; a dot leads inside, as in `realm_access.roles`."""
    roles: Annotated[dict[str, Role], Meta(min_length=1)]
    """What the claim's words are here; other words mean nothing."""
    organizations_claim: str | None = None
    organizations: dict[str, str] = {}
    """What its words are here, `*` for all; empty: they are organizations' names, `*` is none."""
    in_organizations: tuple[str, ...] = ()
    """Where everybody acts if there is no such claim."""


class Settings(Struct, frozen=True, kw_only=True):
    """One process's settings. Environment names are `JOBLEDGER_` and the field in upper case."""

    host: str = "127.0.0.1"
    port: int = 8080
    data: Path = Path(".jobledger")
    database_url: str | None = None
    """Any PostgreSQL 14 or newer; None starts the embedded one in the data directory."""
    processes: Annotated[int, Meta(ge=1, le=MAX_PROCESSES)] = 1
    """Servers on the one port; more than one have a process beside them that writes the views."""
    views: Literal["inside", "beside", "elsewhere"] = "inside"
    """Which process writes the views: the server, one of its own beside it, or another's. `serve`
    has one beside it where there is more than one core, unless told."""
    max_body_bytes: int = 4 * 1024 * 1024
    max_json_depth: int = 64
    max_page: int = 1000
    max_waiting: int = 8192
    """Writes that may wait for the database; further ones are told to come back (503)."""
    bulk_reach_events: int = 5_000
    """How many events views may be behind before the bulk route waits for them; 0: it never does."""
    max_connections: int = 8192
    """Open connections; fewer where the process may not open as many files."""
    max_long_polls: int = 2000
    """Requests that may wait for events or work at the same time."""
    max_streams: int = 2000
    """Streams of events that may be open at the same time."""
    max_streams_per_key: int = 1500
    """Of these, with one key."""
    stream_heartbeat_s: float = 15.0
    """After how long of silence a stream says that it lives."""
    stream_mark_every: int = 1000
    """Events a stream's filter may leave out before the client is told how far it looked."""
    stream_ring_events: int = 8192
    """New events kept for the streams of a process; who is further behind reads from the log."""
    rate_limit_per_minute: int = 0
    """Requests a key may make in a minute on the native API; 0 means no limit."""
    product_live_rate_per_minute: int = 50
    """Requests a key may make in a minute on Product-Live's paths; 0 means no limit."""
    cdq_quote_numbers: bool = False
    """Whether CDQ's numbers are sent as texts, as its examples show them."""
    tree_key: Path | None = None
    """File of the key that signs heads of the tree; None means `tree-key` in the data directory."""
    tree_name: str | None = None
    """What a new ledger calls itself in its heads, for ever; None makes a name up."""
    webhook_key: str | None = None
    """32 bytes in base64 that seal webhooks' secrets; None means a file in the data directory. Servers
    of one ledger on several machines need the same."""
    webhook_private_targets: bool = False
    """Whether webhooks may be sent into the server's own network, and to itself."""
    webhook_connections: int = 64
    """Requests to webhooks that may be under way at the same time."""
    webhook_log_days: float = 7.0
    """How long it is remembered what was sent to webhooks."""
    files: Path | None = None
    """Where uploaded files are kept; None means `files` in the data directory."""
    max_file_bytes: int = 256 * 1024 * 1024
    read_wait_s: float = 2.0
    """How long a read waits for its view to cover what was written."""
    client_timeout_s: float = 60.0
    """How long a caller may pause while it sends a body, or leave an answer unread."""
    keep_alive_s: float = 75.0
    """How long a connection may wait for its next request, and that request's head take to come."""
    shutdown_grace_s: float = 5.0
    ocapi_not_executable_status: Literal[400, 409] = 409
    """Status of OCAPI's JobExecutionException: 409 as recorded, or 400 as its table says."""
    datameer_time_zone: str = "UTC"
    """IANA name of the zone that Datameer's dates are written in."""
    datameer_details: Literal["7.4", "older"] = "7.4"
    """Which of Datameer's two forms of job details is answered."""
    issuers: tuple[Issuer, ...] = ()
    """Others whose access tokens are taken, as JSON: a list of objects with `Issuer`'s fields."""
    log_format: Literal["console", "json"] = "console"
    log_level: str = "info"


def from_environment(environment: Mapping[str, str] = os.environ, **given: object) -> Settings:
    """Read settings; what is *given* (and not None) wins over the environment.

    Raises:
        ValueError: a value is not of its field's type; the message names the field.
    """
    told: dict[str, Any] = {
        name: environment[f"{PREFIX}{name.upper()}"]
        for name in Settings.__struct_fields__
        if environment.get(f"{PREFIX}{name.upper()}")
    }
    if "issuers" in told:
        told["issuers"] = _parsed(told["issuers"])
    values = {**told, **{name: value for name, value in given.items() if value is not None}}
    try:
        settings = msgspec.convert(values, Settings, strict=False, dec_hook=_decode)
        _check(settings.issuers)
    except msgspec.ValidationError as error:
        message = f"settings ({PREFIX}…): {error}"
        raise ValueError(message) from error
    return settings


def _parsed(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        message = f"settings ({PREFIX}ISSUERS): it is not JSON"
        raise ValueError(message) from error


def _check(issuers: Sequence[Issuer]) -> None:
    """Refuse an issuer whose keys would come over an open wire, or whose callers act nowhere.

    Raises:
        ValueError: one is; the message names it.
    """
    for issuer in issuers:
        url = urlsplit(issuer.jwks_url)
        local = url.scheme == "http" and url.hostname in LOOPBACK
        if not (url.scheme == "https" and url.hostname) and not local:
            message = f"settings ({PREFIX}ISSUERS): {issuer.jwks_url!r} is not an https address"
            raise ValueError(message)
        if (issuer.organizations_claim is None) != bool(issuer.in_organizations):
            message = (
                f"settings ({PREFIX}ISSUERS): give {issuer.issuer!r} either organizations_claim"
                " or in_organizations"
            )
            raise ValueError(message)


def preferred_views() -> Literal["inside", "beside"]:
    """Say who writes the views where nobody has said so.

    Beside, they do not hold up requests; on one core that would only be one more process.
    """
    return "beside" if len(os.sched_getaffinity(0)) > 1 else "inside"


def _decode(kind: type, value: object) -> object:
    if kind is Path:
        return Path(str(value))
    raise NotImplementedError(kind)
