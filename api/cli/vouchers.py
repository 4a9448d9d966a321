"""What a check is held against: the key that the reader trusts, and heads that it kept.

Without any named, those of the server's data directory are taken, when it is on this machine.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from msgspec import Struct

from ledger.audit import heads
from ledger.audit.export import Export
from ledger.merkle.note import MalformedNote, Signer, Verifier

KEY_FILE: Final = "tree-key"
HEAD_FILE: Final = "tree-head"
MAX_FILE_BYTES: Final = 1_000_000


class Vouchers(Struct, frozen=True):
    """A key and heads, and where they came from."""

    key: Verifier | None
    heads: tuple[bytes, ...]
    source: str
    remark: str = ""
    """What of the data directory could not be held against an export."""


def find_vouchers(
    key: str | None, kept: Sequence[Path], data: Path, *, of: Export | None = None
) -> Vouchers:
    """Read what was named, and from the data directory what was not.

    For an export, given by its first line, the data directory counts only if it is that ledger's,
    and its head only if it is no newer: the ledger has gone on since, which is no damage.

    Raises:
        UsageError: something that was named is not what it should be.
    """
    sources = []
    trusted = _named_key(key) if key is not None else None
    if trusted is not None:
        sources.append("the key you named")
    else:
        trusted = _own_key(data / KEY_FILE)
        if trusted is not None and of is not None and of.origin != trusted.name:
            trusted = None
        if trusted is not None:
            sources.append(str(data / KEY_FILE))
    notes = [_named_head(file) for file in kept]
    sources.extend(str(file) for file in kept)
    own = data / HEAD_FILE
    remark = ""
    if not kept and key is None and trusted is not None and own.exists():
        note = _named_head(own)
        size = heads.unverified(note).size
        if of is not None and size > of.size:
            remark = (
                f"it was exported at {of.size} events, before the head of {size} in {own}; to hold it"
                " against that head, export it again"
            )
        else:
            notes.append(note)
            sources.append(str(own))
    return Vouchers(trusted, tuple(notes), ", ".join(sources), remark)


def _named_key(text: str) -> Verifier:
    file = Path(text)
    try:
        if len(text) < 255 and file.is_file():  # longer than any name of a file
            text = file.read_text(encoding="utf-8")
        return _verifier(text.strip())
    except (OSError, UnicodeDecodeError, MalformedNote) as error:
        raise click.UsageError(f"this is no public key, nor a file with one: {error}") from error


def _verifier(text: str) -> Verifier:
    return Signer.parse(text).verifier if text.startswith("PRIVATE+") else Verifier.parse(text)


def _own_key(file: Path) -> Verifier | None:
    try:
        return _verifier(file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError, MalformedNote):
        return None


def _named_head(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            note = opened.read(MAX_FILE_BYTES)
        heads.unverified(note)
    except (OSError, MalformedNote) as error:
        raise click.UsageError(f"{file} is no signed head: {error}") from error
    return note
