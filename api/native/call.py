"""One authenticated request on the native API: what handlers read from it and answer with."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from api.auth.principal import Principal
from api.native.problems import ProblemError, malformed, of
from api.node import Node
from ledger.handle.executions import KeyReused
from ledger.handle.streams import Done, StaleVersion
from ledger.rejection import Rejection
from ledger.store.port import AnyRecorded, Context

T = TypeVar("T")
S = TypeVar("S")

NODE: Final = web.AppKey("node", Node)
_ENCODER: Final = msgspec.json.Encoder()
_DECODERS: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
MAX_POSITION: Final = 2**63 - 1
_LAST_YEAR: Final = 9998


class Call:
    """A request, its caller, and the node that answers."""

    __slots__ = ("node", "organization", "principal", "reflects", "request")

    def __init__(self, request: web.Request, node: Node, principal: Principal) -> None:
        self.request = request
        self.node = node
        self.principal = principal
        self.reflects = 0
        """Position of the log that the view behind the answer reflects."""
        named = request.headers.get("Ledger-Organization")
        self.organization = named or principal.default_organization
        if named is not None and not principal.acts_in(named):
            raise ProblemError(
                403, "organization-forbidden", "Your key does not act in that organization.",
                path="Ledger-Organization",
            )

    @property
    def readable(self) -> list[str] | None:
        """Organizations to read from: the one the request names, or all that its key may."""
        if "Ledger-Organization" in self.request.headers:
            return [self.organization]
        return self.principal.readable

    def context(self, organization: str | None = None) -> Context:
        """Say who does it, for the events that follow."""
        return Context(
            organization=organization or self.organization,
            actor=self.principal.name,
            correlation_id=self.request["correlation_id"],
        )

    async def body(self, kind: type[T]) -> T:
        """Decode the request's body.

        Raises:
            ProblemError: it is not JSON, too deep, or not of that type; says where.
        """
        return decode_body(await self.request.read(), kind, self.node.settings.max_json_depth)

    async def optional_body(self, kind: type[T]) -> T:
        """Decode the body; none, or an empty one, counts as an empty object."""
        raw = await self.request.read()
        return decode_body(raw.strip() or b"{}", kind, self.node.settings.max_json_depth)

    @property
    def if_version(self) -> int | None:
        """The version that If-Match names; None when it names none, or any."""
        header = self.request.headers.get("If-Match")
        if header is None or header.strip() == "*":
            return None
        match = re.fullmatch(r'\s*"(\d{1,9})"\s*', header)
        if match is None:
            raise malformed('If-Match takes one strong entity tag, for example "3"', "If-Match")
        return int(match[1])

    @property
    def minimum_position(self) -> int:
        """The position that Ledger-Min-Position asks a view to cover."""
        return integer(self.request.headers.get("Ledger-Min-Position"), "Ledger-Min-Position", 0)

    def query(self, name: str) -> str | None:
        """Give a query parameter that may be given once."""
        values = self.request.query.getall(name, [])
        if len(values) > 1:
            raise malformed(f"{name} is given {len(values)} times", f"?{name}")
        return values[0] if values else None

    def queries(self, name: str) -> tuple[str, ...]:
        """Give a query parameter that may be repeated, or hold several values at commas."""
        values = self.request.query.getall(name, [])
        return tuple(part for value in values for part in value.split(",") if part)

    def query_integer(self, name: str, default: int, *, low: int = 0, high: int = MAX_POSITION) -> int:
        """Give a query parameter that is a whole number within bounds."""
        return integer(self.query(name), f"?{name}", default, low=low, high=high)

    def query_number(self, name: str, default: float, *, low: float, high: float) -> float:
        """Give a query parameter that is a number within bounds."""
        text = self.query(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            raise malformed(f"{text!r} is not a number", f"?{name}") from None
        if not low <= value <= high:
            raise malformed(f"{text} is not between {low:g} and {high:g}", f"?{name}")
        return value

    def query_flag(self, name: str) -> bool:
        """Give a query parameter that is true or false."""
        match self.query(name):
            case None | "false" | "0":
                return False
            case "true" | "1" | "":
                return True
            case other:
                raise malformed(f"{other!r} is neither true nor false", f"?{name}")

    def query_instant(self, name: str) -> datetime | None:
        """Give a query parameter that is an RFC 3339 instant."""
        text = self.query(name)
        return None if text is None else instant(text, f"?{name}")

    def only(self, known: Iterable[str]) -> None:
        """Refuse query parameters that nobody would look at.

        Raises:
            ProblemError: one is unknown; says which.
        """
        for name in self.request.query:
            if name not in known:
                raise malformed(f"there is no parameter {name!r} here", f"?{name}")

    def wrote(self, records: Sequence[AnyRecorded]) -> None:
        """Note what this call did to the log."""
        self.node.acknowledge(records)

    def done(self, outcome: Done[S] | Rejection | StaleVersion | KeyReused) -> S:
        """Give the state a command led to.

        Raises:
            ProblemError: it was refused.
        """
        if isinstance(outcome, Done):
            self.wrote(outcome.records)
            return outcome.state
        raise of(outcome)


def decode_body(raw: bytes, kind: type[T], max_depth: int) -> T:
    """Decode JSON strictly; see `Call.body`."""
    if too_deep(raw, max_depth):
        raise malformed(f"the JSON is nested deeper than {max_depth}", "$")
    if _NUL.search(raw):
        raise malformed("the character U+0000 is not allowed", "$")
    try:
        decoded: T = _decoder(kind).decode(raw)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `")
        raise malformed(text, path.rstrip("`") or "$") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(f"the body is not valid JSON: {error}", "$") from None
    return decoded


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    return decoder


def too_deep(raw: bytes, limit: int) -> bool:
    """Whether JSON text nests deeper than *limit*."""
    if raw.count(b"[") + raw.count(b"{") <= limit:
        return False
    depth = 0
    for match in _BRACKETS.finditer(raw):
        token = match[0]
        if token in b"[{":
            depth += 1
            if depth > limit:
                return True
        elif token in b"]}":
            depth -= 1
    return False


def integer(text: str | None, path: str, default: int, *, low: int = 0, high: int = MAX_POSITION) -> int:
    """Read a whole number within bounds."""
    if text is None:
        return default
    if not re.fullmatch(r"-?\d{1,19}", text, re.ASCII):
        raise malformed(f"{text[:50]!r} is not a whole number", path)
    value = int(text)
    if not low <= value <= high:
        raise malformed(f"{value} is not between {low} and {high}", path)
    return value


def instant(text: str, path: str) -> datetime:
    """Read an RFC 3339 instant; without an offset it is taken as UTC."""
    try:
        # A "+" that arrived unescaped in a query is a blank by now.
        value = msgspec.convert(text.strip().replace(" ", "+"), datetime)
    except msgspec.ValidationError:
        raise malformed(f"{text[:50]!r} is not an RFC 3339 instant", path) from None
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if not 1 < aware.year < _LAST_YEAR:
        raise malformed(f"{text[:50]!r} is too far away", path)
    return aware.astimezone(UTC)


def answer(
    body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        body=_ENCODER.encode(body),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )


def uuid_of(text: str, kind: str) -> UUID:
    """Read a UUID out of a path.

    Raises:
        ProblemError: it is none, so there is no such thing.
    """
    try:
        return UUID(text)
    except ValueError:
        raise ProblemError(404, "not-found", f"There is no {kind} {text[:100]!r}.") from None
