"""The tree and its proofs as RFC 6962 section 2.1 defines them: recursive, slow, and from leaves."""

import hashlib
from collections.abc import Sequence


def _hash(prefix: int, content: bytes) -> bytes:
    return hashlib.sha256(bytes([prefix]) + content).digest()


def _split(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def root(entries: Sequence[bytes]) -> bytes:
    """MTH."""
    match len(entries):
        case 0:
            return hashlib.sha256().digest()
        case 1:
            return _hash(0, entries[0])
        case count:
            split = _split(count)
            return _hash(1, root(entries[:split]) + root(entries[split:]))


def path(index: int, entries: Sequence[bytes]) -> list[bytes]:
    """PATH."""
    if len(entries) == 1:
        return []
    split = _split(len(entries))
    if index < split:
        return [*path(index, entries[:split]), root(entries[split:])]
    return [*path(index - split, entries[split:]), root(entries[:split])]


def proof(old: int, entries: Sequence[bytes]) -> list[bytes]:
    """PROOF."""
    return _subproof(old, entries, whole=True)


def _subproof(old: int, entries: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if old == len(entries):
        return [] if whole else [root(entries)]
    split = _split(len(entries))
    if old <= split:
        return [*_subproof(old, entries[:split], whole=whole), root(entries[split:])]
    return [*_subproof(old - split, entries[split:], whole=False), root(entries[:split])]
