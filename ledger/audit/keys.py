"""The keys that sign the ledger's heads: one at a time, each new one vouched for by the one before.

A change of keys is a note, signed by the old key and by the new one:

    <origin>
    key <the new public key>
    from <size>

Heads above that size count only when a later key has signed them, so a key that was given up cannot
speak for what came after it. No tree head has such a second line, so neither passes for the other.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from ledger.audit import heads
from ledger.audit.heads import LedgerHead
from ledger.merkle.note import (
    BadSignature,
    MalformedNote,
    Note,
    Signer,
    Verifier,
    render_note,
)
from ledger.merkle.note import verified as verified_note
from ledger.merkle.proof import MAX_SIZE

_CHANGE: Final = re.compile(r"([^\n]+)\nkey ([^\n]+)\nfrom (0|[1-9][0-9]{0,18})\n")


class KeyTerm(Struct, frozen=True):
    """A key and the sizes that it speaks for."""

    key: Verifier
    above: int
    until: int
    """Inclusive."""


class Change(Struct, frozen=True, kw_only=True):
    """That a key is followed by another."""

    key: Verifier
    size: int
    """Heads above this are the new key's."""


def sign_change(old: Signer, new: Signer, size: int) -> bytes:
    """Vouch for a new key with the old one."""
    text = f"{old.verifier.name}\nkey {new.verifier.text}\nfrom {size}\n"
    return render_note(Note(text, (old.sign(text), new.sign(text))))


def verified_change(note: bytes, old: Verifier) -> Change:
    """Read a change of keys that the old key and the new one have signed.

    Raises:
        MalformedNote: it has another form, or is about another ledger.
        BadSignature: one of them has not signed it.
    """
    text = verified_note(note, [old]).text
    match = _CHANGE.fullmatch(text)
    if match is None or match[1] != old.name:
        raise MalformedNote("not a change of this ledger's keys")
    new = Verifier.parse(match[2])
    if new.name != old.name or int(match[3]) > MAX_SIZE:
        raise MalformedNote("not a change of this ledger's keys")
    verified_note(note, [new])
    return Change(key=new, size=int(match[3]))


class Trust:
    """The ledger's keys in their order, each vouched for by the one before and by itself."""

    def __init__(self, first: Verifier, changes: Sequence[bytes] = ()) -> None:
        """Begin with the first key, and go on to those that follow.

        Raises:
            MalformedNote: a change has another form.
            BadSignature: a change was not signed by the key before, or not by the new one.
        """
        terms = [KeyTerm(first, 0, MAX_SIZE)]
        for note in changes:
            last = terms.pop()
            change = verified_change(note, last.key)
            if change.size < last.above:
                raise MalformedNote("the changes of keys are not in order")
            terms.append(KeyTerm(last.key, last.above, change.size))
            terms.append(KeyTerm(change.key, change.size, MAX_SIZE))
        self.terms = tuple(terms)

    def has(self, key: Verifier) -> bool:
        """Whether a key that the reader knows is one of them; then all of them are its."""
        return any(term.key.text == key.text for term in self.terms)

    @property
    def origin(self) -> str:
        """The ledger's name."""
        return self.terms[0].key.name

    def head(self, note: bytes) -> LedgerHead:
        """Read a head that the key of its time has signed.

        Raises:
            MalformedNote: it has another form.
            BadSignature: no key has signed it that may.
        """
        head = heads.verified(note, [term.key for term in self.terms])
        good = [term.key for term in self.terms if term.above < head.size <= term.until]
        if head.size and heads.verified(note, good) != head:
            raise BadSignature("it was signed by a key that had been given up by then")
        return head
