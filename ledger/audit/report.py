"""What a check found, in words for whoever has to act on it."""

from typing import Final, Literal, TypeAlias

from msgspec import Struct

MAX_FINDINGS: Final = 20
MAX_ERASED: Final = 100

Verdict: TypeAlias = Literal["sound", "damaged", "unchecked"]


class Finding(Struct, frozen=True, kw_only=True):
    """Something that is not as the ledger left it."""

    position: int | None
    """Where in the log; None when it is not about an event."""
    problem: str
    line: int | None = None
    """Line of the file or of the stream, from 1."""


class Report(Struct, frozen=True, kw_only=True):
    """The outcome of a check."""

    verdict: Verdict
    """`unchecked`: too little was there to tell."""
    first_bad_position: int | None
    findings: tuple[Finding, ...]
    """The first ones, by position."""
    reason: str
    """Why it could not be checked, if so."""
    events: int
    """Event lines that were read."""
    after: int
    until: int
    stream: str | None
    """The stream that all events are of, and that has no others, if this was about one."""
    exists: bool
    """Whether that stream exists."""
    erased: int
    """Events whose content was erased, on record."""
    erased_positions: tuple[int, ...]
    """The first of them."""
    heads: int
    """Signed heads that were held against the events."""
    size: int
    """Of the last of them."""
    root: str
    origin: str
    public_key: str
    """The key that signs, in its text form."""
    key_is_known: bool
    """Whether the reader knew the key, or took it from what was checked."""
    kept_size: int | None
    """Of the head that the reader had kept, when it was met."""
    remarks: tuple[str, ...]
    """What a reader should know besides."""
