"""From requests to what is asked of the ledger."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar, get_args

import msgspec
from msgspec import Struct

from api.dialects.cdq import wire
from api.dialects.port import MalformedRequest
from api.dialects.strict_json import decode

T = TypeVar("T")

MAX_ENVIRONMENT_BYTES: Final = 512 * 1024
MAX_LIMIT: Final = 100
_DEFAULT_LIMIT: Final = 50
_MAX_TYPES: Final = 100
_MAX_STATUSES: Final = 50
_MAX_TAGS: Final = 100
_MAX_WORD: Final = 1000
_FIRST_CURSOR: Final = 10**15
_CURSOR: Final = re.compile(r"[1-9]\d{15}", re.ASCII)
_STATUSES: Final = frozenset(get_args(wire.JobStatus))
_FEATURES: Final = frozenset(
    ("NUMBER_OF_TOTAL", "TAGS_CONJUNCTION", "IGNORE_ORGANIZATION_RESTRICTIONS")
)
_TYPE_FEATURES: Final = frozenset(("CANCELLABLE",))

Query = Mapping[str, Sequence[str]]
"""A request's query: each parameter with all the values it was given."""


class ListJobs(Struct, frozen=True, kw_only=True):
    """Which jobs are asked for, and which page of them."""

    user: str | None
    organization_id: str | None
    storage_id: str | None
    job_types: tuple[str, ...]
    statuses: frozenset[str]
    tags: tuple[str, ...]
    all_tags: bool
    depends_on: str | None
    descending: bool
    after: int | None
    limit: int
    with_total: bool
    across_organizations: bool


class ListTypes(Struct, frozen=True, kw_only=True):
    """Which job types are asked for, and how many."""

    cancellable: bool
    start_after: str | None
    limit: int


def parse_list(query: Query) -> ListJobs:
    """Read what jobs are asked for. Parameters that the vendor does not know are ignored.

    Raises:
        MalformedRequest: a parameter cannot be understood; names it.
    """
    features = _choices(query, "featuresOn", _FEATURES, len(_FEATURES))
    types = _words(query, "jobType", _MAX_TYPES)
    storage_id = _word(query, "storageId")
    depends_on = _word(query, "dependentJobId")
    if depends_on is not None and (storage_id is None or not types):
        raise MalformedRequest("dependentJobId", "it requires storageId and jobType")
    return ListJobs(
        user=_word(query, "user"),
        organization_id=_word(query, "organizationId"),
        storage_id=storage_id,
        job_types=types,
        statuses=frozenset(_choices(query, "jobStatus", _STATUSES, _MAX_STATUSES)),
        tags=_words(query, "tag", _MAX_TAGS),
        all_tags=_flag(query, "tagsConjunction") or "TAGS_CONJUNCTION" in features,
        depends_on=depends_on.lower() if depends_on is not None else None,
        descending=_descending(query),
        after=_cursor(query),
        limit=_limit(query),
        with_total="NUMBER_OF_TOTAL" in features,
        across_organizations="IGNORE_ORGANIZATION_RESTRICTIONS" in features,
    )


def parse_types(query: Query) -> ListTypes:
    """Read what job types are asked for.

    Raises:
        MalformedRequest: a parameter cannot be understood; names it.
    """
    features = _choices(query, "featureOn", _TYPE_FEATURES, 10)
    return ListTypes(
        cancellable="CANCELLABLE" in features,
        start_after=_word(query, "startAfter"),
        limit=_limit(query),
    )


def parse_body(raw: bytes, kind: type[T], *, max_depth: int) -> T:
    """Read a body.

    Raises:
        MalformedRequest: it cannot be understood; names the place.
    """
    return decode(raw, kind, max_depth=max_depth)


def parse_create(raw: bytes, *, max_depth: int) -> wire.Posted:
    """Read a request to run a job.

    Raises:
        MalformedRequest: it cannot be understood; names the place.
    """
    posted = decode(raw, wire.Posted, max_depth=max_depth)
    variables = posted.environment_variables
    if sum(len(v.name) + len(v.value.encode()) for v in variables) > MAX_ENVIRONMENT_BYTES:
        raise MalformedRequest("$.environmentVariables", "they are larger than 512 kB")
    for name in ("expires_at", "start_at"):
        instant = getattr(posted, name)
        if instant is not None and not 2 <= instant.year <= 9997:
            raise MalformedRequest(f"$.{name[:-3]}At", "the year is too far away")
    return posted


def facts_of(posted: wire.Posted) -> dict[str, Any]:
    """Give what is kept of a request as the vendor's own facts; what was not told is not kept."""
    told = {name: getattr(posted, name) for name in wire.Facts.__struct_fields__}
    facts: dict[str, Any] = msgspec.to_builtins(wire.Facts(**told), str_keys=True)
    return facts


def encode_cursor(position: int) -> str:
    """Make the cursor that goes on behind a position."""
    return str(_FIRST_CURSOR + position)


def _cursor(query: Query) -> int | None:
    text = _word(query, "startAfter")
    if text is None:
        return None
    if not _CURSOR.fullmatch(text):
        raise MalformedRequest("startAfter", "it is not a value that a page gave out")
    return int(text) - _FIRST_CURSOR


def _descending(query: Query) -> bool:
    text = _word(query, "sort")
    match text:
        # A plus sign that was not escaped arrives as a blank.
        case None | "createdAt" | "+createdAt" | " createdAt":
            return False
        case "-createdAt":
            return True
        case _:
            raise MalformedRequest("sort", "it takes createdAt, +createdAt or -createdAt")


def _limit(query: Query) -> int:
    text = _word(query, "limit")
    if text is None:
        return _DEFAULT_LIMIT
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not 1 <= int(text) <= MAX_LIMIT:
        raise MalformedRequest("limit", f"it is not a whole number between 1 and {MAX_LIMIT}")
    return int(text)


def _word(query: Query, name: str) -> str | None:
    values = query.get(name, ())
    if len(values) > 1:
        raise MalformedRequest(name, "it is given more than once")
    if not values or not values[0]:
        return None
    if len(values[0]) > _MAX_WORD:
        raise MalformedRequest(name, f"it is longer than {_MAX_WORD} characters")
    return values[0]


def _words(query: Query, name: str, most: int) -> tuple[str, ...]:
    """Read a list: repeated, at commas, or at commas and blanks."""
    parts = (part.strip() for value in query.get(name, ()) for part in value.split(","))
    words = tuple(dict.fromkeys(part for part in parts if part))
    if len(words) > most:
        raise MalformedRequest(name, f"there are more than {most}")
    if any(len(word) > _MAX_WORD for word in words):
        raise MalformedRequest(name, f"one is longer than {_MAX_WORD} characters")
    return words


def _choices(query: Query, name: str, known: frozenset[str], most: int) -> tuple[str, ...]:
    words = _words(query, name, most)
    for word in words:
        if word not in known:
            told = ", ".join(sorted(known))
            raise MalformedRequest(name, f"{word[:50]!r} is none of {told}")
    return words


def _flag(query: Query, name: str) -> bool:
    match (_word(query, name) or "false").lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise MalformedRequest(name, "it is neither true nor false")
