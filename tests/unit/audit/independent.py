"""A second verifier of exports, written from the specifications alone.

From RFC 9162, C2SP signed-note and tlog-checkpoint, and the docstrings of `ledger.merkle.streams` and
`ledger.audit.export`; it shares no code with the ledger. It says yes or raises.
"""

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def _hash(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def _unpack(text: str) -> list[bytes]:
    raw = base64.b64decode(text)
    return [raw[start : start + 32] for start in range(0, len(raw), 32)]


class Tree:
    """Leaves and covered stretches, by where they begin and end."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], bytes] = {}
        self.size = 0

    def leaf(self, entry: bytes) -> None:
        """Put a leaf at the end."""
        self._known[self.size, self.size + 1] = _hash(b"\0", entry)
        self.size += 1

    def gap(self, end: int, hashes: list[bytes]) -> None:
        """Put the subtrees of a stretch at the end."""
        for hashed in hashes:
            width = 1
            while self.size % (2 * width) == 0 and self.size + 2 * width <= end:
                width *= 2
            self._known[self.size, self.size + width] = hashed
            self.size += width
        assert self.size == end

    def root(self, start: int = 0, end: int | None = None) -> bytes:
        """MTH of RFC 9162, down to what is known."""
        end = self.size if end is None else end
        if (start, end) in self._known:
            return self._known[start, end]
        width = 1
        while 2 * width < end - start:
            width *= 2
        return _hash(b"\1", self.root(start, start + width), self.root(start + width, end))


def _open(note: str, public_key: str) -> tuple[int, bytes, bytes]:
    """Check a note's signature, and give size, root and root of the map."""
    name, _, rest = public_key.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = base64.b64decode(encoded)
    assert raw[0] == 1
    assert _hash(name.encode(), b"\n", raw)[:4].hex() == key_id
    text, _, lines = note.rpartition("\n\n")
    signed = [base64.b64decode(line.split(" ")[2]) for line in lines.splitlines()]
    (signature,) = [each[4:] for each in signed if each[:4].hex() == key_id]
    Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signature, f"{text}\n".encode())
    origin, size, root, streams = text.split("\n")
    assert origin == name
    word, _, streams_root = streams.partition(" ")
    assert word == "streams"
    return int(size), base64.b64decode(root), base64.b64decode(streams_root)


def _stream(told: Any, name: str, root: bytes) -> tuple[int, bytes]:
    """Follow the proof of a stream; give its version and chain, or zero and zeros."""
    key = _hash(name.encode())
    bits = f"{int.from_bytes(key, 'big'):0256b}"
    hashed, found = bytes(32), (0, bytes(32))
    if told["key"] is not None:
        other = bytes.fromhex(told["key"])
        chain = bytes.fromhex(told["chain"])
        hashed = _hash(b"\0", other, told["version"].to_bytes(8, "big"), chain)
        if other == key:
            found = (told["version"], chain)
    siblings = _unpack(told["siblings"])
    assert len(siblings) >= 16
    for bit, sibling in zip(reversed(bits[: len(siblings)]), reversed(siblings), strict=True):
        hashed = _hash(b"\1", *((sibling, hashed) if bit == "1" else (hashed, sibling)))
    assert hashed == root
    return found


def verify(raw: bytes, public_key: str) -> list[int]:
    """Check an export against a key, and give the positions of its events."""
    lines = raw.split(b"\n")
    assert lines.pop() == b""
    header = json.loads(lines[0])
    tree, positions, head = Tree(), [], None
    own = (0, bytes(32))
    for line in lines[1:]:
        told = json.loads(line)
        match told.get("audit"):
            case None:
                entry, salt_key, rest = line.partition(b',"salt":')
                entry += b"}"
                salt, data_key, data = rest.partition(b',"data":')
                assert salt_key
                assert data_key
                if told["data"] is not None:
                    digest = _hash(bytes.fromhex(json.loads(salt)), data[:-1]).hex()
                    assert digest == json.loads(entry)["data_digest"]
                tree.leaf(entry)
                assert told["position"] == tree.size
                assert header["stream"] in (None, told["stream"])
                positions.append(tree.size)
                own = (own[0] + 1, _hash(own[1], _hash(b"\0", entry)))
            case "gap":
                assert told["first"] == tree.size + 1
                tree.gap(told["last"], _unpack(told["hashes"]))
            case "head":
                head = _open(told["note"], public_key)
                assert head[:2] == (tree.size, tree.root())
            case "stream":
                assert head is not None
                assert _stream(told, header["stream"], head[2]) == own
            case _:
                assert told["audit"] in ("key", "leaves", "end")
    assert head is not None
    assert head[0] == header["size"]
    return positions
