"""From requests to what is asked of the ledger."""

import re
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType

from api.dialects.port import MalformedRequest
from api.dialects.product_live.wire import Posted
from api.dialects.strict_json import decode, without_trailing_commas

MAX_TITLE: Final = 256
MAX_SIZE: Final = 1000
MAX_PAGE: Final = 1_000_000


class NewRun(Struct, frozen=True, kw_only=True):
    """A job to run, and on what."""

    job_id: str
    input: Any
    title: str = ""


class Page(Struct, frozen=True, kw_only=True):
    """Which part of a list; pages count from 0."""

    page: int
    size: int

    @property
    def offset(self) -> int:
        """How many come before it."""
        return self.page * self.size


def parse_create(raw: bytes, *, context: dict[str, str], max_depth: int) -> NewRun:
    """Read a request to run a job, and put the server's *context* into its input.

    The document's own example has a comma before its last brace: such commas are let pass here.

    Raises:
        MalformedRequest: it cannot be understood.
    """
    posted = decode(without_trailing_commas(raw), Posted, max_depth=max_depth)
    if posted.input is not UNSET and posted.payload is not UNSET:
        raise MalformedRequest("$.payload", "give either input or payload")
    if not posted.jobId:
        raise MalformedRequest("$.jobId", "give the id of a job")
    if len(posted.info.title) > MAX_TITLE:
        raise MalformedRequest("$.info.title", f"it is longer than {MAX_TITLE} characters")
    told = posted.payload if posted.input is UNSET else posted.input
    return NewRun(
        job_id=posted.jobId,
        input=_with_context(told, {**context, "jobId": posted.jobId}),
        title=posted.info.title,
    )


def _with_context(told: Any, context: dict[str, str]) -> Any:
    """Add the context to an object; other values have no place for it."""
    ordered = {
        name: context[name]
        for name in ("jobAccountId", "jobId", "userShardId", "userAccountId", "userId")
    }
    match told:
        case None | UnsetType():
            return {"context": ordered}
        case dict():
            known = told.get("context")
            theirs = known if isinstance(known, dict) else {}
            return {**told, "context": {**theirs, **ordered}}
        case _:
            return told


def parse_page(page: str | None, size: str | None, *, default_size: int) -> Page:
    """Read which part of a list is asked for.

    Raises:
        MalformedRequest: a number is none, or out of bounds.
    """
    return Page(
        page=_integer("page", page, 0, low=0, high=MAX_PAGE),
        size=_integer("size", size, default_size, low=1, high=MAX_SIZE),
    )


def _integer(name: str, text: str | None, default: int, *, low: int, high: int) -> int:
    if text is None or text == "":
        return default
    if not re.fullmatch(r"\+?\d{1,9}", text.strip(), re.ASCII):
        raise MalformedRequest(f"?{name}", "it is not a whole number")
    value = int(text)
    if not low <= value <= high:
        raise MalformedRequest(f"?{name}", f"it is not between {low} and {high}")
    return value
