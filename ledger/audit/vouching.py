"""Who vouches for the heads of an export: its keys, a key that the reader trusts, heads it kept."""

from collections.abc import Callable, Sequence

from ledger.audit import export, heads
from ledger.audit.heads import LedgerHead
from ledger.audit.keys import Trust
from ledger.merkle.note import BadSignature, MalformedNote, Verifier

Note = Callable[[int | None, str], None]


class Vouching:
    """Follows the keys, then reads heads. Tells of what is wrong by *note*."""

    def __init__(self, note: Note, trusted: Verifier | None, kept: Sequence[bytes]) -> None:
        self._note = note
        self._trusted = trusted
        self._notes = kept
        self._trust: Trust | None = None
        self.keys: list[export.Key] = []
        self.key_is_known = False
        """Whether the reader's key is one of the ledger's."""
        self.kept: dict[int, LedgerHead] = {}
        """Heads that the reader kept, by size."""

    @property
    def public_key(self) -> str:
        """The key that signs, in its text form."""
        return self.keys[-1].public_key if self.keys else ""

    def begin(self, origin: str) -> None:
        """Follow the keys that were read, and read the heads that were kept. Idempotent."""
        if self._trust is not None or not self.keys:
            return
        try:
            self._trust = _follow(self.keys)
        except (MalformedNote, BadSignature) as error:
            self._note(None, f"the keys do not follow from each other: {error}")
            self.keys = []
            return
        if self._trust.origin != origin:
            self._note(None, f"the keys are of {self._trust.origin}, not of {origin}")
        if self._trusted is not None:
            self.key_is_known = self._trust.has(self._trusted)
            if not self.key_is_known:
                self._note(
                    1,
                    "from here on nothing is vouched for by the key that you trust:"
                    f" heads are signed by {self.public_key}",
                )
        for note in self._notes:
            self._keep(note)

    def head(self, note: bytes, position: int) -> LedgerHead | None:
        """Read a head that stands behind a position; None, and a finding, if it is none."""
        if self._trust is None:
            return None
        try:
            return self._trust.head(note)
        except (MalformedNote, BadSignature) as error:
            self._note(position, f"the head published here is not what the key signed: {error}")
            return None

    def _keep(self, note: bytes) -> None:
        try:
            head = self._kept_head(note)
        except (MalformedNote, BadSignature) as error:
            self._note(1, f"the head that you kept is not one that this ledger signed: {error}")
        else:
            self.kept[head.size] = head

    def _kept_head(self, note: bytes) -> LedgerHead:
        """Read a kept head, signed by the reader's key or by one of the ledger's.

        Raises:
            MalformedNote: it has another form.
            BadSignature: neither has signed it.
        """
        if self._trusted is not None and not self.key_is_known:
            return heads.verified(note, [self._trusted])
        if self._trust is None:
            raise MalformedNote("the ledger has no key")
        return self._trust.head(note)


def _follow(keys: Sequence[export.Key]) -> Trust:
    """Follow keys from the first on.

    Raises:
        MalformedNote: one is not what it should be, or not the one that was vouched for.
        BadSignature: one was not vouched for by the key before.
    """
    trust = Trust(
        Verifier.parse(keys[0].public_key), [(key.change or "").encode() for key in keys[1:]]
    )
    if [term.key.text for term in trust.terms] != [key.public_key for key in keys]:
        raise MalformedNote("a key is not the one that was vouched for")
    return trust
