"""An export: events with everything it takes to check them, one JSON object a line, UTF-8.

Event lines are those of the stream, byte for byte. All other lines begin with `{"audit":"` and end
with `,"sum":"…"}`, the first 16 hex digits of the SHA-256 of the line before that comma, so that a
damaged one can be named. In order:

    export  what this is: the log from after one position until another, or one stream (an
            execution's is called a dossier); and the size of the tree that it is proved in
    key     the ledger's keys, each with how the one before vouched for it
    leaves  for each stretch of events, before it: the leaf hashes that the tree holds there. They
            prove nothing; where one differs from an event, they name the event
    gap     where events are left out: the hashes of the perfect subtrees that cover them (see
            `ledger.merkle.frontier`), so that everything together makes up the tree
    head    a signed head, behind the last event or gap that is in it. An export of the log has all
            that were published in its stretch; the last one is of the size that the export names
    stream  of a stream's export: the proof of what the map of streams holds for it, in the last head
    end     how many events and lines there were

Hashes are base64, one behind the other. Positions count from 1; the leaf of position p is number p - 1.

A stream's export is complete when its events are those that its record in the map binds: as many as
its version says, with its chain.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from ledger.merkle.streams import Record, StreamProof
from ledger.merkle.tree import HASH_BYTES

FORM: Final = 1
EVENT: Final = b'{"position":'
_MARK: Final = b'{"audit":"'
_SUM_DIGITS: Final = 16
_SUM: Final = re.compile(rb',"sum":"([0-9a-f]{16})"}')
_SUM_BYTES: Final = len(',"sum":""}') + _SUM_DIGITS


class NotAnExport(ValueError):
    """A line is not what an export has."""


class Export(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="audit", tag="export"
):
    """The first line."""

    form: int = FORM
    of: Literal["log", "stream"]
    origin: str
    """The ledger's name."""
    size: int
    """Events in the tree of the last head."""
    after: int
    """Exclusive."""
    until: int
    stream: str | None = None


class Key(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="audit", tag="key"
):
    """A key that signs heads, or did."""

    public_key: str
    change: str | None
    """See `ledger.audit.keys`."""


class Leaves(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="audit", tag="leaves"
):
    """Leaf hashes of consecutive positions."""

    first: int
    hashes: str


class Gap(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="audit", tag="gap"
):
    """Positions that are left out."""

    first: int
    last: int
    hashes: str


class Head(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="audit", tag="head"
):
    """A signed head."""

    note: str


class Stream(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="audit", tag="stream"
):
    """What the map of streams holds."""

    key: str | None
    """Of the one record there, hex; with `chain`."""
    version: int
    chain: str | None
    siblings: str

    @classmethod
    def of(cls, proof: StreamProof) -> "Stream":
        """Write a proof."""
        found = proof.found
        return cls(
            key=found.key.hex() if found else None,
            version=found.version if found else 0,
            chain=found.chain.hex() if found else None,
            siblings=pack(proof.siblings),
        )

    @property
    def proof(self) -> StreamProof:
        """Read the proof.

        Raises:
            NotAnExport: it is none.
        """
        siblings = tuple(unpack(self.siblings))
        if self.key is None and self.chain is None and self.version == 0:
            return StreamProof(None, siblings)
        try:
            key, chain = bytes.fromhex(self.key or ""), bytes.fromhex(self.chain or "")
        except ValueError as error:
            raise NotAnExport("the record is not in hex") from error
        if len(key) != HASH_BYTES or len(chain) != HASH_BYTES or not 0 < self.version < 1 << 63:
            raise NotAnExport("this is no record of a stream")
        return StreamProof(Record(key, self.version, chain), siblings)


class End(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="audit", tag="end"
):
    """The last line."""

    events: int
    lines: int
    """Without this one."""


Line: TypeAlias = Export | Key | Leaves | Gap | Head | Stream | End

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Line)


def render(line: Line) -> bytes:
    """Write a line, without a newline."""
    told = _ENCODER.encode(line)[:-1]
    return b'%b,"sum":"%b"}' % (told, _sum(told))


def parse(raw: bytes) -> Line:
    """Read a line that is not an event's.

    Raises:
        NotAnExport: it is damaged, or no line of an export.
    """
    told, match = raw[:-_SUM_BYTES], _SUM.fullmatch(raw[-_SUM_BYTES:])
    if not raw.startswith(_MARK) or match is None:
        raise NotAnExport("it is neither an event nor one of the lines of an export")
    if _sum(told) != match[1]:
        raise NotAnExport("it was changed: its sum is another")
    try:
        line: Line = _DECODER.decode(told + b"}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotAnExport(f"it cannot be read: {error}") from error
    if render(line) != raw:
        raise NotAnExport("it is not written as an export writes it")
    return line


def pack(hashes: Iterable[bytes]) -> str:
    """Write hashes one behind the other."""
    return base64.b64encode(b"".join(hashes)).decode()


def unpack(text: str) -> list[bytes]:
    """Read hashes.

    Raises:
        NotAnExport: these are none.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotAnExport("the hashes are not base64") from error
    if len(raw) % HASH_BYTES or base64.b64encode(raw).decode() != text:
        raise NotAnExport("these are not hashes")
    return [raw[start : start + HASH_BYTES] for start in range(0, len(raw), HASH_BYTES)]


def _sum(told: bytes) -> bytes:
    return hashlib.sha256(told).hexdigest()[:_SUM_DIGITS].encode()
