"""Checks an export line by line, trusting nothing but a key and heads that the reader kept.

Memory: what is kept of each stream (about 300 bytes) and of each event id (about 100), for the log;
next to nothing for a dossier.

What only follows from another finding is not told, as far as that can be known.
"""

from collections.abc import Sequence
from typing import Final, assert_never

from ledger.audit import events, export
from ledger.audit.events import MAX_IDS, Events
from ledger.audit.export import Export, NotAnExport
from ledger.audit.heads import LedgerHead
from ledger.audit.place import DIFFERENT, Place
from ledger.audit.recount import Recount
from ledger.audit.report import MAX_ERASED, MAX_FINDINGS, Finding, Report, Verdict
from ledger.audit.vouching import Vouching
from ledger.events.entry import NotAnEntry
from ledger.merkle.note import Verifier
from ledger.merkle.streams import NOTHING, next_chain, verify_stream

_MARK: Final = b'{"audit'


class Checker:
    """Takes the lines of one export, in order."""

    def __init__(self, *, trusted: Verifier | None = None, kept: Sequence[bytes] = ()) -> None:
        """Check against a key, and against heads that were kept; without a key, take the export's."""
        self._findings: list[Finding] = []
        self._line = 0
        self._of: Export | None = None
        self._vouching = Vouching(self._note, trusted, kept)
        self._events = Events(self._note)
        self._place = Place(self._note)
        self._recount: Recount | None = None
        self._own = (0, NOTHING)
        """Version and chain that the events of a stream's export come to."""
        self._head: LedgerHead | None = None
        self._heads = 0
        self._kept_size: int | None = None
        self._exists: bool | None = None
        self._unread_at = 0
        self._missing: tuple[Finding, int] | None = None
        """The last finding of missing events, and where they end."""
        self._ended = False
        self._lacking = 0

    def take(self, raw: bytes) -> None:
        """Check the next line, given without its newline."""
        self._line += 1
        if self._ended:
            self._follows("there is more behind the last line")
        elif raw.startswith(export.EVENT) and self._of is not None:
            self._event(self._of, raw)
        else:
            self._other(raw)

    @property
    def is_sound_so_far(self) -> bool:
        """Whether nothing was found until now."""
        return not self._findings

    @property
    def lacks_erasures_only(self) -> bool:
        """Whether all that was found is content that is gone, with no erasure up to here.

        It may have been erased while the log was read; then a later head has the erasure.
        """
        return self._lacking > 0 and len(self._findings) == self._lacking

    def say(self, problem: str, position: int | None = None) -> None:
        """Add what is known to be wrong from elsewhere."""
        self._findings.append(Finding(position=position, problem=problem))

    def report(self, *, failed: str = "") -> Report:
        """Say what was found, when all lines were taken, or no more can be had for a reason."""
        if failed == "" and not self._ended:
            self._follows("it ends before its last line: the rest was cut off")
        if self._of is not None and self._ended:
            self._sum_up(self._of)
        findings = _first(self._findings)
        reason = failed
        if not findings and not reason and self._head is None:
            reason = "nothing of it is signed"
        verdict: Verdict = "damaged" if findings else "unchecked" if reason else "sound"
        positions = [found.position for found in findings if found.position is not None]
        head, of, erased = self._head, self._of, self._events.erased
        return Report(
            verdict=verdict,
            first_bad_position=min(positions, default=None),
            findings=tuple(findings),
            reason=reason,
            events=self._events.count,
            after=of.after if of else 0,
            until=of.until if of else 0,
            stream=of.stream if of else None,
            exists=self._exists is not False,
            erased=len(erased),
            erased_positions=tuple(sorted(erased)[:MAX_ERASED]),
            heads=self._heads,
            size=head.size if head else 0,
            root=head.root.hex() if head else "",
            origin=of.origin if of else "",
            public_key=self._vouching.public_key,
            key_is_known=self._vouching.key_is_known,
            kept_size=self._kept_size,
            remarks=tuple(self._remarks()),
        )

    def _note(self, position: int | None, problem: str, line: int | None = None) -> None:
        line = self._line if line is None else line
        self._findings.append(Finding(position=position, problem=problem, line=line))
        if len(self._findings) >= 4 * MAX_FINDINGS:
            self._findings = _first(self._findings)

    def _follows(self, problem: str, position: int | None = None) -> None:
        """Note what is wrong unless something else is, from which it may follow."""
        if not self._findings:
            self._note(position, problem)

    def _event(self, of: Export, raw: bytes) -> None:
        self._vouching.begin(of.origin)
        try:
            parsed = events.parse(raw)
        except NotAnEntry as error:
            self._unread(f"this is no event as the ledger writes it: {error}")
            return
        entry = parsed.entry
        if entry.position <= self._place.position:
            self._unread(f"an event of position {entry.position} stands where this one must")
            return
        self._missed(entry.position - 1)
        leaf = self._events.take(parsed)
        self._place.add(leaf, self._line)
        if of.stream is not None:
            if entry.stream != of.stream:
                self._note(entry.position, f"it is of {entry.stream}, not of {of.stream}")
            self._own = (self._own[0] + 1, next_chain(self._own[1], leaf))
        elif self._recount is not None:
            self._recount.add(entry.stream, leaf)
        if entry.position in self._vouching.kept:
            self._meet(self._vouching.kept[entry.position])

    def _unread(self, problem: str) -> None:
        """Note that what stands at the next position cannot be read; once, in however many lines."""
        position = self._place.position + 1
        if self._unread_at != position:
            self._unread_at = position
            self._note(position, problem)

    def _missed(self, until: int) -> None:
        """Pass positions up to one whose events are not there."""
        first = self._place.position + 1
        if first > until:
            return
        if self._unread_at == first:
            first += 1
        if self._of is not None and self._of.stream is not None:
            self._follows(f"nothing stands for the positions {first} to {until}")
        elif first <= until:
            self._note_missing(first, until)
        self._events.missing += until - self._place.position
        self._place.miss(until)
        self._recount = None

    def _note_missing(self, first: int, until: int) -> None:
        """Note missing events; those that follow missing ones are told together with them."""
        if self._findings and self._missing == (self._findings[-1], first - 1):
            first = self._findings.pop().position or first
        alone, many = (
            "the event is missing",
            f"the events from here to position {until} are missing",
        )
        self._note(first, alone if first == until else many)
        self._missing = (self._findings[-1], until)

    def _other(self, raw: bytes) -> None:
        try:
            line = export.parse(raw)
        except NotAnExport as error:
            if raw.startswith(_MARK) or self._of is None:
                self._note(None, f"the line was damaged: {error}")
            else:
                self._unread(f"this is no event: {error}")
            return
        if (self._line == 1) != isinstance(line, Export):
            self._follows("an export begins with its first line, and has no other of that kind")
            return
        try:
            self._audit_line(line)
        except (NotAnExport, ValueError) as error:
            self._follows(str(error))

    def _audit_line(self, line: export.Line) -> None:
        """Take in one of the lines that are no events.

        Raises:
            NotAnExport: it contradicts itself.
            ValueError: it proves nothing.
        """
        if self._of is not None and not isinstance(line, export.Key):
            self._vouching.begin(self._of.origin)
        match line:
            case Export():
                self._open(line)
            case export.Key():
                self._take_key(line)
            case export.Leaves():
                self._place.hint(line.first, export.unpack(line.hashes))
            case export.Gap():
                self._gap(line)
            case export.Head():
                self._take_head(line.note.encode())
            case export.Stream():
                self._take_stream(line)
            case export.End():
                self._end(line)
            case _:
                assert_never(line)

    def _open(self, line: Export) -> None:
        if line.form != export.FORM:
            raise NotAnExport(f"form {line.form} of exports is not known here; use a newer program")
        self._of = line
        self._events.begins_streams = line.after == 0
        if line.of == "log" and line.after == 0:
            self._recount = Recount()

    def _take_key(self, line: export.Key) -> None:
        if self._line != len(self._vouching.keys) + 2:
            raise NotAnExport("a key stands behind what it should stand before")
        self._vouching.keys.append(line)

    def _end(self, line: export.End) -> None:
        self._ended = True
        if (line.events, line.lines) != (self._events.count, self._line - 1):
            self._follows(
                f"it should have {line.events} events on {line.lines} lines, and has"
                f" {self._events.count} on {self._line - 1}"
            )

    def _gap(self, line: export.Gap) -> None:
        of = self._of
        if of is None or line.first != self._place.position + 1 or line.last < line.first:
            raise NotAnExport("events are left out that do not come next")
        inside = max(line.first, of.after + 1) <= min(line.last, of.until)
        if of.stream is None and inside:
            self._missed(min(line.last, of.until))
        self._place.skip(line.last, export.unpack(line.hashes))
        self._recount = None

    def _take_head(self, note: bytes) -> None:
        head = self._vouching.head(note, self._place.position)
        if head is None:
            return
        self._missed(head.size)
        if head.size < self._place.position:
            raise NotAnExport(f"a head of {head.size} events stands behind more of them")
        self._head, self._heads = head, self._heads + 1
        if head.size in self._vouching.kept:
            self._meet(self._vouching.kept[head.size])
        self._compare(head, f"the head of {head.size} events")

    def _meet(self, kept: LedgerHead) -> None:
        """Hold the events up to here against a head that was kept."""
        if self._kept_size is None or self._kept_size < kept.size:
            self._kept_size = kept.size
            self._compare(kept, f"the head of {kept.size} events that you kept")

    def _compare(self, head: LedgerHead, what: str) -> None:
        was_lost = self._place.is_lost
        first = self._place.vouched + 1
        if not self._place.agrees(head.root):
            doubts = self._place.left_in_doubt()
            if doubts:
                position, line = doubts[0]
                self._note(position, DIFFERENT, line)
            elif not was_lost:
                self._follows(
                    f"an event between here and position {head.size} is not the one that was"
                    f" signed: the events make another tree than {what}",
                    first,
                )
        elif self._recount is not None and self._recount.root() != head.streams_root:
            self._follows(f"{what} has another map of streams than the events make", head.size)

    def _take_stream(self, line: export.Stream) -> None:
        """See that the events are all that the stream has.

        Raises:
            ValueError: the proof proves something else.
        """
        of, head = self._of, self._head
        if of is None or of.stream is None or head is None:
            raise NotAnExport("there is no stream and no head that this could be about")
        record = verify_stream(of.stream, line.proof, head.streams_root)
        self._exists = record is not None
        version, chain = (record.version, record.chain) if record else (0, NOTHING)
        if version != self._own[0]:
            self._follows(
                f"{of.stream} has {version} events as of position {head.size}, and here are"
                f" {self._own[0]}: they are not complete"
            )
        elif chain != self._own[1]:
            self._follows(f"these are not the events that {of.stream} has")

    def _sum_up(self, of: Export) -> None:
        """Look at what only the end tells."""
        if self._head is None:
            if self._vouching.keys:
                self._follows("it has no signed head")
        elif self._head.size != of.size:
            self._follows(f"its last head is of {self._head.size} events, and not of {of.size}")
        if self._heads and self._place.position < of.until:
            self._missed(of.until)
        if of.stream is not None and self._exists is None:
            self._follows(f"nothing proves that these are all events of {of.stream}")
        for kept in self._vouching.kept.values():
            if kept.size > of.size:
                self._note(
                    of.size + 1,
                    f"the events from here to position {kept.size} are gone: you kept a head of"
                    f" {kept.size} events, and the ledger shows {of.size}",
                )
        for stream, positions in self._events.without_erasure().items():
            if of.until == of.size or of.stream is not None:
                self._lacking += 1
                self._note(
                    positions[0], f"its content is gone, and no erasure of {stream} is on record"
                )

    def _remarks(self) -> list[str]:
        remarks = []
        if self._head is not None and not self._vouching.key_is_known:
            remarks.append(
                "the key was taken from what was checked; compare it with one from elsewhere:"
                f" {self._vouching.public_key}"
            )
        if self._vouching.kept and self._kept_size is None:
            remarks.append("the head that you kept was not met, so nothing was held against it")
        if self._events.count > MAX_IDS:
            remarks.append(f"event ids were compared among the first {MAX_IDS:,} events only")
        left = sum(len(positions) for positions in self._events.without_erasure().values())
        if left and self._of is not None and self._of.until < self._of.size and not self._of.stream:
            remarks.append(
                f"{left} events are without content; their erasure must stand further on"
            )
        return remarks


def _first(findings: list[Finding]) -> list[Finding]:
    """Keep the findings of the lowest positions."""
    last = max((found.position or 0 for found in findings), default=0) + 1
    ordered = sorted(findings, key=lambda found: (found.position or last, found.line or 0))
    return ordered[:MAX_FINDINGS]
