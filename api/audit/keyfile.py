"""The private key that signs the ledger's heads, in a file readable by its owner only.

The file holds the key's C2SP text form. A key that is to follow is written to a file beside it before
the database learns of it, and takes its place afterwards; so a crash at any line leaves the key that
the database knows in one of the two.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from ledger.merkle.note import MalformedNote, Signer

FILE: Final = "tree-key"
_SEED_BYTES: Final = 32


def read(file: Path) -> Signer | None:
    """Read a key; None when there is no file.

    Raises:
        MalformedNote: what is there is no key; restore the file.
    """
    try:
        return Signer.parse(file.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise MalformedNote("not a key") from error


def new(origin: str) -> Signer:
    """Make a key up."""
    return Signer(origin, secrets.token_bytes(_SEED_BYTES))


def new_origin() -> str:
    """Make up the name of a ledger that was given none."""
    return f"jobledger/{secrets.token_hex(8)}"


def next_to(file: Path) -> Path:
    """Where the key that is to follow waits."""
    return file.with_name(f"{file.name}.next")


def write(file: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
