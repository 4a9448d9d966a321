"""The loop of optimistic concurrency, for any state."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from ledger.errors import Unavailable, WrongExpectedVersion
from ledger.events.envelope import Fact, Unreadable
from ledger.handle.recent import Recent
from ledger.rejection import Rejection
from ledger.store.port import AnyRecorded, Append, Claim, Context, Release, Store, StreamWrite

S = TypeVar("S")

MAX_TRIES: Final = 12


class Loaded(Struct, Generic[S], frozen=True, gc=False):
    """A folded stream; version 0 and no state when it does not exist."""

    state: S | None
    version: int


class Planned(Struct, frozen=True, kw_only=True, gc=False):
    """What goes along with decided facts into one append."""

    due_at: Any = None
    claims: tuple[Claim, ...] = ()
    releases: tuple[Release, ...] = ()
    reads: tuple[StreamWrite, ...] = ()
    """Other streams that must still be where the decision found them."""


class Done(Struct, Generic[S], frozen=True, gc=False):
    """The state after a command, and the events it led to; none when it had its effect before."""

    state: S
    records: tuple[AnyRecorded, ...]


class StaleVersion(Struct, frozen=True, gc=False):
    """The caller named a version (If-Match) that is no longer the stream's."""

    current: int


Decide = Callable[[S | None], tuple[Fact[Any], ...] | Rejection]
Plan = Callable[[S | None, tuple[Fact[Any], ...]], Planned]


class Streams(Generic[S]):
    """Folded streams of one kind, and how they change."""

    def __init__(
        self,
        store: Store,
        evolve: Callable[[S | None, AnyRecorded], S],
        *,
        cache_size: int,
    ) -> None:
        self._store = store
        self._evolve = evolve
        self._recent: Recent[Loaded[S]] = Recent(cache_size)
        self._cache_size = cache_size
        self._forgotten: OrderedDict[str, int] = OrderedDict()
        """Streams whose content was removed, and below which version; what was read before that
        and comes in only now is not kept."""

    def forget(self, stream: str, version: int) -> None:
        """Drop what is kept of a stream whose events below *version* have lost their content."""
        self._forgotten[stream] = version
        self._forgotten.move_to_end(stream)
        while len(self._forgotten) > self._cache_size:
            self._forgotten.popitem(last=False)
        kept = self._recent.peek(stream)
        if kept is not None and kept.version < version:
            self._recent.drop(stream)

    async def load(self, stream: str) -> Loaded[S]:
        """Give a stream's state, possibly from the cache and then possibly behind."""
        return self._recent.get(stream) or await self.refresh(stream)

    async def refresh(self, stream: str) -> Loaded[S]:
        """Give a stream's state as it is in the log now.

        Raises:
            Corrupt: the stream holds what cannot be read.
        """
        known = self._recent.get(stream) or Loaded[S](None, 0)
        records = await self._store.read_stream(stream, after=known.version)
        return self.fold(stream, known, records)

    async def as_of(self, stream: str, position: int) -> Loaded[S]:
        """Give a stream's state as it was at a position of the log."""
        records = await self._store.read_stream(stream, until=position)
        return self._folded(Loaded(None, 0), records)

    async def _after(self, moved: WrongExpectedVersion, stream: str) -> Loaded[S]:
        if moved.stream != stream:
            raise moved
        return await self.refresh(stream)

    def fold(self, stream: str, known: Loaded[S], records: Sequence[AnyRecorded]) -> Loaded[S]:
        """Fold new events of a stream, and keep what comes of it."""
        loaded = self._folded(known, records)
        if self._is_later(stream, loaded):
            self._recent.put(stream, loaded)
        return loaded

    def keep_new(self, stream: str, loaded: Loaded[S]) -> None:
        """Take the state of a stream that was just made into the cache."""
        if self._is_later(stream, loaded):
            self._recent.put_new(stream, loaded)

    def _is_later(self, stream: str, loaded: Loaded[S]) -> bool:
        """Whether it is to be kept: nobody took in later events, and none of its content was removed."""
        kept = self._recent.peek(stream)
        known = kept.version if kept is not None else 0
        return loaded.version > known and loaded.version >= self._forgotten.get(stream, 0)

    def _folded(self, known: Loaded[S], records: Sequence[AnyRecorded]) -> Loaded[S]:
        state, version = known.state, known.version
        for record in records:
            if isinstance(record.event, Unreadable):
                raise record.event.error
            state = self._evolve(state, record)
            version = record.version
        return Loaded(state, version)

    async def change(
        self,
        stream: str,
        decide: Decide[S],
        context: Context,
        *,
        plan: Plan[S] = lambda _state, _facts: Planned(),
        if_version: int | None = None,
    ) -> Done[S] | Rejection | StaleVersion:
        """Put a command to a stream.

        Raises:
            ClaimTaken: what was decided needs a key that another stream owns.
            WrongExpectedVersion: another stream that the plan had read has moved on.
            Unavailable: the stream kept moving, or the store did not answer; try again.
        """
        loaded, fresh = await self.load(stream), False
        for _ in range(MAX_TRIES):
            if if_version is not None and loaded.version != if_version:
                if fresh:
                    return StaleVersion(loaded.version)
                loaded, fresh = await self.refresh(stream), True
                continue
            decision = decide(loaded.state)
            if not decision or not isinstance(decision, tuple):
                if not fresh:
                    loaded, fresh = await self.refresh(stream), True
                    continue
                if not isinstance(decision, tuple):
                    return decision
                if loaded.state is None:
                    message = f"nothing was decided for {stream}, which does not exist"
                    raise AssertionError(message)
                return Done(loaded.state, ())
            planned = plan(loaded.state, decision)
            append = Append(
                context=context,
                writes=(
                    StreamWrite(
                        stream=stream,
                        expected_version=loaded.version,
                        facts=decision,
                        due_at=planned.due_at,
                    ),
                    *planned.reads,
                ),
                claims=planned.claims,
                releases=planned.releases,
            )
            try:
                records = await self._store.append(append)
            except WrongExpectedVersion as moved:
                loaded, fresh = await self._after(moved, stream), True
                continue
            after = self.fold(stream, loaded, records)
            if after.state is None:
                message = f"{stream} has no state after an append"
                raise AssertionError(message)
            return Done(after.state, records)
        message = f"{stream} is being changed by too many at once"
        raise Unavailable(message, retry_after_s=0.5)
