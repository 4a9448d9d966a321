"""The head of this ledger's tree as a signed text.

It is a C2SP tree head with one further line, which has the root of the map of streams:

    <origin>
    <size>
    <root, base64>
    streams <root of the map, base64>

The origin is the ledger's own name and that of its keys, for ever.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from ledger.merkle.note import (
    MalformedNote,
    Signer,
    TreeHead,
    Verifier,
    parse_head,
    parse_note,
    sign_head,
    verified_head,
)
from ledger.merkle.tree import HASH_BYTES

_STREAMS: Final = "streams "


class LedgerHead(Struct, frozen=True, kw_only=True):
    """What the ledger says of its first `size` events."""

    origin: str
    size: int
    root: bytes
    streams_root: bytes


def sign(head: LedgerHead, *signers: Signer) -> bytes:
    """Write a head as a signed note."""
    streams = _STREAMS + base64.b64encode(head.streams_root).decode()
    return sign_head(
        TreeHead(origin=head.origin, size=head.size, root=head.root, extensions=(streams,)),
        *signers,
    )


def verified(note: bytes, trusted: Sequence[Verifier]) -> LedgerHead:
    """Read a head that a trusted key has signed under its origin.

    Raises:
        MalformedNote: it has another form.
        BadSignature: none of the trusted keys has signed it.
    """
    return _of(verified_head(note, trusted))


def unverified(note: bytes) -> LedgerHead:
    """Read what a note says, without a look at who signed it.

    Raises:
        MalformedNote: it has another form.
    """
    return _of(parse_head(parse_note(note).text))


def _of(head: TreeHead) -> LedgerHead:
    if len(head.extensions) != 1 or not head.extensions[0].startswith(_STREAMS):
        raise MalformedNote("the head does not have one line for the map of streams")
    told = head.extensions[0].removeprefix(_STREAMS)
    try:
        root = base64.b64decode(told, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedNote("the root of the map is not base64") from error
    if len(root) != HASH_BYTES or base64.b64encode(root).decode() != told:
        raise MalformedNote("the root of the map is not a hash")
    return LedgerHead(origin=head.origin, size=head.size, root=head.root, streams_root=root)
