"""What a member is handed next, and how far that reaches. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from api.consumers.shards import shard_of
from api.consumers.state import Held, Look, Member, Shard
from api.streaming.lines import StreamLine

ALONE = 1
"""`careful` of a shard whose first event is handed out alone."""


class Choice(Struct, frozen=True):
    """What may be handed out now."""

    shards: tuple[Shard, ...] = ()
    held: tuple[Held, ...] = ()
    alone: bool = False
    """One event only: whoever had it before was lost, maybe because of it."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.shards or self.held)


class Cut(Struct, frozen=True):
    """What one shard is handed: events, and up to where nothing else of it was found."""

    shard: Shard
    through: int
    lines: tuple[StreamLine, ...] = ()

    def without(self, streams: Collection[str]) -> "Cut":
        """Leave streams out that are set aside."""
        return replace(self, lines=tuple(x for x in self.lines if x.stream not in streams))


def choose(look: Look, member: Member, due: Sequence[Held]) -> Choice:
    """Choose among a member's shards, and among what was set aside in them (*due*)."""
    own = [s for s in look.shards if s.member == member.id]
    out = [o for o in look.out if o.member == member.id]
    has_some = bool(out) or any(s.handed is not None for s in own)
    if any(s.handed is not None and s.careful == ALONE for s in own) or any(o.alone for o in out):
        return Choice()
    behind = [s for s in own if s.handed is None and s.is_behind]
    suspects = [s for s in behind if s.careful == ALONE]
    suspicious = [h for h in due if h.alone]
    if suspects or suspicious:
        if has_some:
            return Choice()
        return (
            Choice(held=(suspicious[0],), alone=True)
            if suspicious
            else Choice(shards=(suspects[0],), alone=True)
        )
    return Choice(shards=tuple(behind), held=tuple(due))


class Cutting:
    """Deals lines out to shards until the limit is reached."""

    def __init__(self, shards: Iterable[Shard], limit: int) -> None:
        self._shards: Mapping[int, Shard] = {s.shard: s for s in shards}
        self._lines: dict[int, list[StreamLine]] = {number: [] for number in self._shards}
        self._closed: dict[int, int] = {}
        self._limit = limit
        self.count = 0
        self.size_bytes = 0
        self.through = min(s.acked for s in self._shards.values())

    def deal(self, lines: Iterable[StreamLine], through: int) -> None:
        """Take in what was found up to *through*, as long as there is room."""
        for line in lines:
            if self.is_full:
                return
            number = shard_of(line.stream)
            shard = self._shards.get(number)
            if shard is not None and line.position > shard.acked and number not in self._closed:
                own = self._lines[number]
                own.append(line)
                self.count += 1
                self.size_bytes += len(line.line)
                if len(own) == shard.careful:
                    self._closed[number] = line.position
            self.through = line.position
        if not self.is_full:
            self.through = through

    @property
    def is_full(self) -> bool:
        """Whether nothing more is wanted."""
        return self.count >= self._limit or len(self._closed) == len(self._shards)

    def cuts(self) -> list[Cut]:
        """Give what each shard got; those that did not move are left out."""
        return [
            Cut(shard, self._closed.get(number, self.through), tuple(self._lines[number]))
            for number, shard in self._shards.items()
            if self._closed.get(number, self.through) > shard.acked
        ]
