"""One authenticated request on the native API: what handlers read from it and answer with."""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError

from api.auth.principal import ORGANIZATION_NAME, Principal
from api.native.body import decode_body, require_placeable
from api.native.problems import ProblemError, malformed, of
from api.node import Node
from api.request import CORRELATION_ID
from ledger.handle.executions import KeyReused
from ledger.handle.streams import Done, StaleVersion
from ledger.rejection import Rejection
from ledger.store.port import AnyRecorded, Context

T = TypeVar("T")
S = TypeVar("S")

NODE: Final = web.AppKey("node", Node)
_ENCODER: Final = msgspec.json.Encoder()
CURL_DEFAULT: Final = "application/x-www-form-urlencoded"
"""What `curl -d` says of any body; taken for JSON, which it then must be."""
MAX_POSITION: Final = 2**63 - 1
JSON: Final = re.compile(r"application/(?:json|[a-z0-9.+-]+\+json)")
JSON_LINES: Final = re.compile(r"application/(?:json|(?:x-)?(?:ndjson|jsonl|jsonlines))")


class Call:
    """A request, its caller, and the node that answers."""

    __slots__ = ("node", "organization", "principal", "readable", "reflects", "request")

    def __init__(self, request: web.Request, node: Node, principal: Principal) -> None:
        self.request = request
        self.node = node
        self.principal = principal
        self.reflects = 0
        """Position of the log that the view behind the answer reflects."""
        self.organization = principal.default_organization
        """Where what the call makes belongs, and where it looks for jobs."""
        self.readable = principal.readable
        """Organizations to read from; None for all."""
        named = request.headers.get("Ledger-Organization")
        if named is not None:
            self._act_only_in(named)

    def _act_only_in(self, organization: str) -> None:
        """Narrow a key that acts in several organizations down to the one the request names."""
        if not ORGANIZATION_NAME.fullmatch(organization):
            raise malformed("this cannot be an organization's name", "Ledger-Organization")
        if not self.principal.acts_in(organization):
            raise ProblemError(
                403,
                "organization-forbidden",
                "Your key does not act in that organization.",
                path="Ledger-Organization",
            )
        self.organization = organization
        self.readable = [organization]

    def sees(self, organization: str) -> bool:
        """Whether what belongs to an organization exists for this call."""
        return self.readable is None or organization in self.readable

    def context(self, organization: str | None = None) -> Context:
        """Say who does it, for the events that follow."""
        return Context(
            organization=organization or self.organization,
            actor=self.principal.name,
            correlation_id=self.request[CORRELATION_ID],
        )

    async def body(self, kind: type[T]) -> T:
        """Decode the request's body.

        Raises:
            ProblemError: it did not come in time, is not JSON, too deep, or not of that type.
        """
        self.require_type(JSON)
        raw = await self._read()
        return decode_body(raw, kind, self.node.settings.max_json_depth)

    async def optional_body(self, kind: type[T]) -> T:
        """Decode the body; none, or an empty one, counts as an empty object."""
        raw = (await self._read()).strip()
        if raw:
            self.require_type(JSON)
        return decode_body(raw or b"{}", kind, self.node.settings.max_json_depth)

    def require_type(self, accepted: re.Pattern[str]) -> None:
        """Refuse a body that says it is something else; one that says nothing is taken.

        Raises:
            ProblemError: it is of another media type.
        """
        told = self.request.content_type
        if told == CURL_DEFAULT and not self._is_sent_by_browsers:
            return
        if "Content-Type" in self.request.headers and not accepted.fullmatch(told):
            raise ProblemError(
                415,
                "unsupported-media-type",
                "The media type is not supported.",
                f"{told[:100]!r} is not JSON.",
                path="Content-Type",
            )

    @property
    def _is_sent_by_browsers(self) -> bool:
        """Whether a browser may have added the credentials by itself.

        Then a form on some other site could be behind the request.
        """
        return self.request.headers.get("Authorization", "").lower().startswith("basic")

    async def _read(self) -> bytes:
        if self.request.content.is_eof():  # all of it is there: nothing to put a deadline on
            return await self.request.read()
        try:
            async with asyncio.timeout(self.node.settings.client_timeout_s):
                return await self.request.read()
        except TimeoutError:
            raise ProblemError(
                408, "request-timeout", "The body did not come in time.", path="$"
            ) from None
        except (web.RequestPayloadError, ContentEncodingError) as error:
            raise malformed(f"the body cannot be read: {type(error).__name__}", "$") from None

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
    def must_exist(self) -> bool:
        """Whether the request is for a resource that is there (If-Match)."""
        return "If-Match" in self.request.headers

    @property
    def must_not_exist(self) -> bool:
        """Whether the request is for a resource that is not there yet (If-None-Match: *)."""
        return self.request.headers.get("If-None-Match", "").strip() == "*"

    def is_known(self, etag: str) -> bool:
        """Whether the caller has this version already (If-None-Match, RFC 9110 section 13.1.2)."""
        told = self.request.headers.get("If-None-Match", "")
        return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in told.split(","))

    @property
    def minimum_position(self) -> int:
        """The position that Ledger-Min-Position asks a view to cover."""
        return integer(self.request.headers.get("Ledger-Min-Position"), "Ledger-Min-Position", 0)

    def path(self, name: str) -> str:
        """Give a part of the path."""
        return self.request.match_info[name]

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

    def choices(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """Give a repeatable query parameter whose values are known."""
        values = self.queries(name)
        for value in values:
            if value not in known:
                raise malformed(f"{value[:50]!r} is none of {', '.join(sorted(known))}", f"?{name}")
        return values

    def query_integer(
        self, name: str, default: int, *, low: int = 0, high: int = MAX_POSITION
    ) -> int:
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

    def check_address(self, parameters: Collection[str]) -> None:
        """Refuse query parameters that nobody would look at, and text that cannot be looked for.

        Raises:
            ProblemError: one is unknown, or holds what no name can hold; says which.
        """
        for name, value in self.request.query.items():
            if name not in parameters:
                raise malformed(f"there is no parameter {name[:50]!r} here", f"?{name[:50]}")
            if not is_text(value):
                raise malformed("it holds U+0000, or is not UTF-8", f"?{name}")
        for name, value in self.request.match_info.items():
            if not is_text(value):
                raise ProblemError(404, "not-found", f"There is no such {name}.")

    def wrote(self, records: Sequence[AnyRecorded]) -> None:
        """Note what this call did to the log."""
        self.node.acknowledge(records)

    def done(self, outcome: Done[S] | Rejection | StaleVersion | KeyReused, within: str = "$") -> S:
        """Give the state a command led to; *within* is the part of the body it is about.

        Raises:
            ProblemError: it was refused.
        """
        if isinstance(outcome, Done):
            self.wrote(outcome.records)
            return outcome.state
        raise of(outcome, within)


def is_text(value: str) -> bool:
    """Whether a text can be stored: no U+0000, and no half of a surrogate pair."""
    return "\x00" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def integer(
    text: str | None, path: str, default: int, *, low: int = 0, high: int = MAX_POSITION
) -> int:
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
    require_placeable(aware, path)
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
