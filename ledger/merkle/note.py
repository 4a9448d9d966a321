"""Signed notes, tree heads as text, and the text forms of keys: what foreign tooling reads.

A note is a text, a blank line, and signature lines. The text of a tree head is its origin, its size
and its root, a line each, and perhaps further lines. Signatures are Ed25519.

Every form has one spelling: whatever is parsed, rendered again, is the same bytes.

Source: C2SP signed-note and tlog-checkpoint.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from ledger.merkle.proof import MAX_SIZE
from ledger.merkle.tree import HASH_BYTES

MAX_NOTE_BYTES: Final = 1_000_000
MAX_SIGNATURES: Final = 100
_ED25519: Final = b"\x01"
_ED25519_BYTES: Final = 32
_KEY_ID_BYTES: Final = 4
_PRIVATE: Final = "PRIVATE+KEY+"
_KEY: Final = re.compile(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_SIGNATURE: Final = re.compile(r"\u2014 ([^+\s]+) ([A-Za-z0-9+/=]+)")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")


class MalformedNote(ValueError):
    """The text is not of the form it should have."""


class BadSignature(ValueError):
    """No key that the reader trusts has signed the note, or one's signature is false."""


class TreeHead(Struct, frozen=True, kw_only=True):
    """What a log says of itself: the root over its first `size` entries."""

    origin: str
    """Names the log, for ever."""
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Further lines, not empty."""


class Signature(Struct, frozen=True):
    """One signature line."""

    name: str
    key_id: bytes
    """First 4 bytes of a hash of name and key: which key of that name it may be."""
    signature: bytes


class Note(Struct, frozen=True):
    """A text, and who says that they signed it; nothing is checked yet."""

    text: str
    """Ends with a newline."""
    signatures: tuple[Signature, ...]


class Verifier:
    """A public key with its owner's name."""

    def __init__(self, name: str, public_key: bytes) -> None:
        """Take the 32 bytes of an Ed25519 public key.

        Raises:
            MalformedNote: the name holds a blank or a plus sign, or this is not a key.
        """
        if not _is_name(name) or len(public_key) != _ED25519_BYTES:
            raise MalformedNote("not a name and a key")
        self.name = name
        self.public_key = public_key
        self.key_id = _key_id(name, public_key)
        self._key = Ed25519PublicKey.from_public_bytes(public_key)

    @property
    def text(self) -> str:
        """The key's text form, to be handed to whoever is to check (vkey)."""
        return _key_text(self.name, self.key_id, self.public_key)

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Read a key's text form.

        Raises:
            MalformedNote: it has another form, or its parts do not belong together.
        """
        name, key_id, public_key = _parse_key(text)
        verifier = cls(name, public_key)
        if verifier.key_id != key_id:
            raise MalformedNote("the key's hash is not that of the key")
        return verifier

    def has_signed(self, text: str, signature: bytes) -> bool:
        """Whether this key made that signature of the text."""
        try:
            self._key.verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key with its owner's name. It is never shown but by `text`."""

    def __init__(self, name: str, seed: bytes) -> None:
        """Take the 32 bytes that an Ed25519 private key is made of.

        Raises:
            MalformedNote: the name holds a blank or a plus sign, or this is not a key.
        """
        if len(seed) != _ED25519_BYTES:
            raise MalformedNote("not a key")
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw())

    @property
    def text(self) -> str:
        """The key's text form, which is secret."""
        return _PRIVATE + _key_text(self.verifier.name, self.verifier.key_id, self._seed)

    @classmethod
    def parse(cls, text: str) -> "Signer":
        """Read a private key's text form.

        Raises:
            MalformedNote: it has another form, or its parts do not belong together.
        """
        if not text.startswith(_PRIVATE):
            raise MalformedNote("not a private key")
        name, key_id, seed = _parse_key(text.removeprefix(_PRIVATE))
        signer = cls(name, seed)
        if signer.verifier.key_id != key_id:
            raise MalformedNote("the key's hash is not that of the key")
        return signer

    def sign(self, text: str) -> Signature:
        """Sign a note's text."""
        signature = self._key.sign(text.encode())
        return Signature(self.verifier.name, self.verifier.key_id, signature)


def render_note(note: Note) -> bytes:
    """Write a note as it is sent and kept.

    Raises:
        MalformedNote: the text does not end with a newline, holds control characters, or is not
            followed by a signature.
    """
    _check_text(note.text)
    if not note.signatures:
        raise MalformedNote("a note has a signature")
    lines = "".join(
        f"\u2014 {each.name} {base64.b64encode(each.key_id + each.signature).decode()}\n"
        for each in note.signatures
    )
    return f"{note.text}\n{lines}".encode()


def parse_note(raw: bytes) -> Note:
    """Take a note apart, without checking its signatures.

    Raises:
        MalformedNote: it is too long, not UTF-8, or has another form.
    """
    if len(raw) > MAX_NOTE_BYTES:
        raise MalformedNote("too long")
    try:
        decoded = raw.decode()
    except UnicodeDecodeError as error:
        raise MalformedNote("not UTF-8") from error
    text, blank, lines = decoded.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise MalformedNote("no signatures after a blank line")
    _check_text(f"{text}\n")
    signatures = [_parse_signature(line) for line in lines.removesuffix("\n").split("\n")]
    if len(signatures) > MAX_SIGNATURES:
        raise MalformedNote("too many signatures")
    return Note(f"{text}\n", tuple(signatures))


def verified(raw: bytes, trusted: Sequence[Verifier]) -> Note:
    """Take a note apart and keep the signatures of trusted keys, at least one.

    Raises:
        MalformedNote: it is too long, not UTF-8, or has another form.
        BadSignature: none is by a trusted key, or one that says so is not.
    """
    note = parse_note(raw)
    keys = {(key.name, key.key_id): key for key in trusted}
    kept = []
    for signature in note.signatures:
        key = keys.get((signature.name, signature.key_id))
        if key is None:
            continue
        if not key.has_signed(note.text, signature.signature):
            raise BadSignature(f"a signature of {key.name} is false")
        kept.append(signature)
    if not kept:
        raise BadSignature("no trusted key has signed")
    return Note(note.text, tuple(kept))


def render_head(head: TreeHead) -> str:
    """Write a tree head as the text of a note.

    Raises:
        MalformedNote: a line would not read back as it is.
    """
    lines = (head.origin, str(head.size), base64.b64encode(head.root).decode(), *head.extensions)
    text = "".join(f"{line}\n" for line in lines)
    if parse_head(text) != head:
        raise MalformedNote("not a tree head")
    return text


def parse_head(text: str) -> TreeHead:
    """Read the text of a note as a tree head.

    Raises:
        MalformedNote: it has another form.
    """
    _check_text(text)
    origin, *rest = text.removesuffix("\n").split("\n")
    if len(rest) < 2 or not origin or not all(rest):
        raise MalformedNote("a tree head has three lines or more, none empty")
    size, root, *extensions = rest
    if not _SIZE.fullmatch(size) or int(size) > MAX_SIZE:
        raise MalformedNote("the size is not a number")
    decoded = _base64(root)
    if len(decoded) != HASH_BYTES:
        raise MalformedNote("the root is not a hash")
    return TreeHead(origin=origin, size=int(size), root=decoded, extensions=tuple(extensions))


def sign_head(head: TreeHead, *signers: Signer) -> bytes:
    """Write a tree head as a signed note."""
    text = render_head(head)
    return render_note(Note(text, tuple(signer.sign(text) for signer in signers)))


def verified_head(raw: bytes, trusted: Sequence[Verifier]) -> TreeHead:
    """Read a signed tree head whose origin is the name of a trusted key that signed it.

    Raises:
        MalformedNote: it has another form.
        BadSignature: none of the trusted keys has signed it under its origin.
    """
    note = verified(raw, trusted)
    head = parse_head(note.text)
    if head.origin not in {signature.name for signature in note.signatures}:
        raise BadSignature("it was not signed under its origin")
    return head


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _CONTROL.search(text):
        raise MalformedNote("a text ends with a newline and holds no control characters")


def _is_name(name: str) -> bool:
    return bool(name) and not any(
        letter == "+" or letter.isspace() or "\ud800" <= letter <= "\udfff" for letter in name
    )


def _key_id(name: str, public_key: bytes) -> bytes:
    hashed = hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key)
    return hashed.digest()[:_KEY_ID_BYTES]


def _key_text(name: str, key_id: bytes, key: bytes) -> str:
    return f"{name}+{key_id.hex()}+{base64.b64encode(_ED25519 + key).decode()}"


def _parse_key(text: str) -> tuple[str, bytes, bytes]:
    match = _KEY.fullmatch(text)
    if match is None:
        raise MalformedNote("not a key")
    key = _base64(match[3])
    if key[:1] != _ED25519:
        raise MalformedNote("not an Ed25519 key")
    return match[1], bytes.fromhex(match[2]), key[1:]


def _parse_signature(line: str) -> Signature:
    match = _SIGNATURE.fullmatch(line)
    if match is None or not _is_name(match[1]):
        raise MalformedNote("not a signature line")
    decoded = _base64(match[2])
    if len(decoded) <= _KEY_ID_BYTES:
        raise MalformedNote("not a signature")
    return Signature(match[1], decoded[:_KEY_ID_BYTES], decoded[_KEY_ID_BYTES:])


def _base64(text: str) -> bytes:
    """Decode; bits that no byte holds must be zero, as an encoder leaves them."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedNote("not base64") from error
    if base64.b64encode(decoded).decode() != text:
        raise MalformedNote("not as an encoder writes it")
    return decoded
