"""Signs heads of the tree: one node at a time, and never two histories.

States, as `standing` tells them:

- *starting*: not tried yet.
- *signing*: this node holds the ledger's key; what the tree has reached is signed within about a
  second.
- *no-key*: the ledger's key is another; some other node signs.
- *waiting*: the tree cannot be read now, or has not yet grown back to what was signed.
- *inconsistent*: the tree does not continue a head that was signed, or the log ends before it.
  Nothing is signed until that is over.

On a crash between the row and the file the file is older than the row, which is no contradiction.
A file that is newer than every row is one: the database has lost what it had committed.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, TypeAlias

import structlog
from msgspec import Struct

from api.audit import heads as published
from api.audit import keyfile
from api.audit.heads import SQL, Published
from ledger.audit import heads
from ledger.audit.heads import LedgerHead
from ledger.audit.keys import Trust, sign_change
from ledger.errors import LedgerError, Unavailable
from ledger.merkle.note import BadSignature, MalformedNote, Signer
from ledger.merkle.proof import MissingTile, verify_consistency
from ledger.merkle.streams import EMPTY_STREAMS_ROOT
from ledger.merkle.tree import HASH_BYTES, TILE_WIDTH, leaf_hash
from ledger.store.pool import store_errors
from ledger.store.raw import read_raw
from ledger.store.tail import Tail
from ledger.tasks import end
from projections.port import Connection, Pool
from projections.tree import query as tree

HEAD_FILE: Final = "tree-head"
INTERVAL_S: Final = 1.0
SOON_S: Final = 0.25
IDLE_S: Final = 5.0
STOP_S: Final = 2.0
"""How long what is being signed may take to end."""
REMIND_S: Final = 60.0
"""How often the log repeats that the tree is inconsistent."""
_LOCK: Final = 0x6A6C7472  # "jltr"

_log = structlog.get_logger(__name__)

State: TypeAlias = Literal["starting", "signing", "no-key", "waiting", "inconsistent"]


class Standing(Struct, frozen=True, kw_only=True):
    """Whether this node signs, and if not, why."""

    state: State = "starting"
    reason: str = ""
    size: int | None = None
    """The size of the head that is contradicted."""


class Contradiction(Exception):
    """The tree is not the continuation of what was signed."""

    def __init__(self, size: int, reason: str) -> None:
        self.size = size
        super().__init__(reason)


class NotTheKey(LedgerError):
    """This node does not hold the key that the ledger signs with."""


class TreeSigner:
    """One a process."""

    def __init__(
        self, pool: Pool, tail: Tail, directory: Path, *, key: Path | None, origin: str | None
    ) -> None:
        """Sign with the key in *key*, or else with the one in the data directory."""
        self._pool = pool
        self._tail = tail
        self._key_file = key or directory / keyfile.FILE
        self._head_file = directory / HEAD_FILE
        self._origin = origin
        self._task: asyncio.Task[None] | None = None
        self._signing: asyncio.Task[Published | None] | None = None
        self._turn = asyncio.Lock()
        self._reminded_at = 0.0
        self.standing = Standing()
        self.newest: Published | None = None
        """The newest published head that this node has seen."""

    def start(self) -> None:
        """Begin to sign. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="tree-signer")

    async def stop(self) -> None:
        """End signing; what is being written is written. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            await end(task)
        signing, self._signing = self._signing, None
        if signing is not None:
            await asyncio.wait((signing,), timeout=STOP_S)
            signing.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await signing

    async def publish(self) -> Published | None:
        """Sign the tree as it is now, if that is to be, and give the newest head.

        Callers that come while another one's is under way share it.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        if self._signing is None or self._signing.done():
            self._signing = asyncio.create_task(self._publish(), name="tree-signing")
        return await asyncio.shield(self._signing)

    async def publish_exactly(self, head: tree.Head) -> Published | None:
        """Give the signed head of the very size of *head*, signed now if need be and possible.

        None when this node does not hold the key, or may not sign now.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        found = await published.of_size(self._pool, head.size)
        if found is None and self.standing.state in ("signing", "starting"):
            await self._publish(head)
            found = await published.of_size(self._pool, head.size)
        return found

    async def rotate(self) -> None:
        """Replace the ledger's key by a new one, which the old one vouches for.

        Raises:
            NotTheKey: this node does not hold the ledger's key.
            StoreUnavailable: the database cannot be reached; nothing was changed, or all was.
        """
        with store_errors():
            async with self._pool.acquire() as connection:
                # Held until the file has its place: the next change must not find it half done.
                await connection.execute("select pg_advisory_lock($1)", _LOCK)
                try:
                    follower = await self._replaced(connection)
                finally:
                    await connection.execute("select pg_advisory_unlock($1)", _LOCK)
        _log.info("the tree's key was changed", key=follower.verifier.text)

    async def _replaced(self, connection: Connection) -> Signer:
        async with connection.transaction():
            signer, found = await self._own(connection)
            if signer is None:
                raise NotTheKey(self._no_key)
            newest = await published.newest(connection)
            follower = keyfile.new(signer.verifier.name)
            await asyncio.to_thread(
                keyfile.write, keyfile.next_to(self._key_file), f"{follower.text}\n"
            )
            change = sign_change(signer, follower, newest.size if newest else 0)
            await connection.execute(
                SQL["add_key"], len(found) + 1, follower.verifier.text, change.decode()
            )
        await asyncio.to_thread(keyfile.next_to(self._key_file).replace, self._key_file)
        return follower

    async def _run(self) -> None:
        while True:
            before = self.newest
            try:
                await self.publish()
            except Unavailable as error:
                self._stand(Standing(state="waiting", reason=str(error)))
            except Exception:  # noqa: BLE001 - a bug; signing goes on
                _log.exception("signing failed")
            pause_s = INTERVAL_S if self.newest != before or self._is_stuck else SOON_S
            await asyncio.sleep(pause_s)
            if not self._is_stuck:
                await self._tail.wait_past(self.newest.size if self.newest else 0, IDLE_S)

    @property
    def _is_stuck(self) -> bool:
        """Whether looking again soon would not help."""
        return self.standing.state in ("no-key", "inconsistent")

    @property
    def _no_key(self) -> str:
        return f"{self._key_file} does not hold the key that the ledger signs with"

    async def _publish(self, exactly: tree.Head | None = None) -> Published | None:
        try:
            # In turns, because whoever signs needs a second connection while it has the first.
            async with self._turn:
                with store_errors():
                    async with self._pool.acquire() as connection, connection.transaction():
                        await self._sign(connection, exactly)
        except NotTheKey as error:
            self.newest = await published.newest(self._pool)
            self._stand(Standing(state="no-key", reason=str(error)))
        except (Contradiction, BadSignature, MalformedNote) as error:
            self._contradicted(error)
        except Unavailable as error:
            self._stand(Standing(state="waiting", reason=str(error)))
            raise
        if self.newest is not None and self.standing.state == "signing":
            await asyncio.to_thread(self._keep, self.newest)
        return self.newest

    async def _sign(self, connection: Connection, exactly: tree.Head | None) -> None:
        """Sign within a transaction, if this node may and the tree has moved.

        With *exactly*, a head that the tree had lately is signed, whatever has come since.

        Raises:
            Contradiction: the tree does not continue what was signed.
        """
        if exactly is not None:
            await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        elif not await connection.fetchval(SQL["take"], _LOCK):
            self.newest = await published.newest(connection)
            return
        signer, found = await self._own(connection)
        last = self.newest = await published.newest(connection)
        if signer is None:
            self._stand(Standing(state="no-key", reason=self._no_key))
            return
        trust = published.trust(found)
        now = await tree.head(self._pool)
        if not await self._is_continued(connection, trust, last, now):
            return
        self._stand(Standing(state="signing"))
        wanted = exactly or now
        if not await self._is_due(connection, trust, wanted, now):
            return
        made = await _add(connection, signer, wanted, len(found))
        if last is None or made.size > last.size:
            self.newest = made

    async def _is_due(
        self, connection: Connection, trust: Trust, wanted: tree.Head, now: tree.Head
    ) -> bool:
        """Whether a head is to be signed, and can be by the key of today.

        Raises:
            Contradiction: the tree has another beginning by now.
        """
        if wanted.size <= trust.terms[-1].above:
            return False
        if await published.of_size(connection, wanted.size) is not None:
            return False
        if not await self._is_beginning(wanted, now):
            raise Contradiction(wanted.size, f"the tree has changed below {wanted.size}")
        return True

    async def _is_beginning(self, old: tree.Head, new: tree.Head) -> bool:
        try:
            found = await tree.consistency(self._pool, old.size, new.size)
        except MissingTile:
            return False
        return found is not None and verify_consistency(
            old.size, new.size, old.root, new.root, found.proof
        )

    async def _is_continued(
        self, connection: Connection, trust: Trust, last: Published | None, now: tree.Head
    ) -> bool:
        """Hold the tree against what was signed last, here and in the file; False to wait.

        Raises:
            Contradiction: it does not continue it.
        """
        kept = await asyncio.to_thread(self._kept)
        for note in (last.note if last else None, kept):
            if note is not None and not await self._continues(connection, trust, note, now):
                return False
        await self._check_kept(connection, trust, kept, last)
        if last is not None and last.size:
            await self._check_log(last.size)
        return True

    async def _check_log(self, size: int) -> None:
        """See that the last event that was signed is still what was signed.

        The tree is made once of each event. A log that was cut off behind the tree's back and went on
        from there would stand beside a tree that remembers other events.

        Raises:
            Contradiction: it is another one, or gone.
        """
        index, place = divmod(size - 1, TILE_WIDTH)
        signed_leaves = await tree.tile(self._pool, 0, index, place + 1)
        found = [
            leaf_hash(event.entry)
            async for page in read_raw(self._pool, after=size - 1, until=size)
            for event in page
        ]
        if signed_leaves is None or found != [signed_leaves[-HASH_BYTES:]]:
            raise Contradiction(size, f"the event at {size} is not the one that was signed")

    async def _continues(
        self, connection: Connection, trust: Trust, note: str, now: tree.Head
    ) -> bool:
        """Hold the tree against a head that was signed; False while it has not grown back to it.

        Raises:
            Contradiction: it does not continue it, or the log ends before it.
        """
        head = _signed(trust, note)
        if head.size > now.size:
            end = await connection.fetchval(SQL["log_end"])
            if end < head.size:
                raise Contradiction(
                    head.size, f"the log ends at {end}, but a head of {head.size} events was signed"
                )
            reason = f"the tree has {now.size} of the {head.size} events that were signed"
            self._stand(Standing(state="waiting", reason=reason))
            return False
        if not await self._is_beginning(tree.Head(size=head.size, root=head.root), now):
            raise Contradiction(
                head.size, f"the tree does not continue the head of {head.size} events"
            )
        return True

    async def _check_kept(
        self, connection: Connection, trust: Trust, kept: str | None, last: Published | None
    ) -> None:
        """See that the database still has the head that is kept outside of it.

        Raises:
            Contradiction: it has lost it.
        """
        if kept is None:
            return
        size = _signed(trust, kept).size
        if (last.size if last else 0) < size or await published.of_size(connection, size) is None:
            raise Contradiction(
                size, f"the head of {size} events was signed, and is gone from the database"
            )

    async def _own(
        self, connection: Connection
    ) -> tuple[Signer | None, list[published.PublishedKey]]:
        """Give this node's key if it is the ledger's, and all the ledger's keys."""
        found = await published.keys(connection)
        own = await asyncio.to_thread(self._read, self._key_file)
        if not found:
            if own is None:
                own = await asyncio.to_thread(self._first_key)
            await connection.execute(SQL["add_key"], 1, own.verifier.text, None)
            _log.info("the ledger signs its tree", key=own.verifier.text)
            return own, await published.keys(connection)
        wanted = found[-1].public_key
        if own is not None and own.verifier.text == wanted:
            return own, found
        follower = keyfile.next_to(self._key_file)
        own = await asyncio.to_thread(self._read, follower)
        if own is not None and own.verifier.text == wanted:
            await asyncio.to_thread(follower.replace, self._key_file)
            return own, found
        return None, found

    def _read(self, file: Path) -> Signer | None:
        """Read a key.

        Raises:
            NotTheKey: there is a file, but no key in it.
        """
        try:
            return keyfile.read(file)
        except MalformedNote as error:
            raise NotTheKey(f"{file} cannot be read as a key ({error}); restore it") from error

    def _first_key(self) -> Signer:
        signer = keyfile.new(self._origin or keyfile.new_origin())
        keyfile.write(self._key_file, f"{signer.text}\n")
        return signer

    def _kept(self) -> str | None:
        try:
            return self._head_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise MalformedNote(f"{self._head_file} is not a head") from error

    def _keep(self, head: Published) -> None:
        """Keep the newest head outside the database; never an older one."""
        with suppress(MalformedNote):
            kept = self._kept()
            if kept is not None and heads.unverified(kept.encode()).size >= head.size:
                return
        keyfile.write(self._head_file, head.note)

    def _contradicted(self, error: Exception) -> None:
        size = error.size if isinstance(error, Contradiction) else None
        reason = str(error) if size is not None else f"a head or a key was changed: {error}"
        self._stand(Standing(state="inconsistent", reason=reason, size=size))

    def _stand(self, standing: Standing) -> None:
        """Note how this node stands, and say so when it is new or bad."""
        loop = asyncio.get_running_loop()
        is_news = standing.state != self.standing.state
        self.standing = standing
        if standing.state == "inconsistent":
            if is_news or loop.time() - self._reminded_at >= REMIND_S:
                self._reminded_at = loop.time()
                _log.error(
                    "the tree contradicts what was signed: nothing is signed until this is over",
                    reason=standing.reason,
                    size=standing.size,
                )
        elif is_news:
            _log.info("tree signing", state=standing.state, reason=standing.reason)


def _signed(trust: Trust, note: str) -> LedgerHead:
    """Read a head that this ledger signed.

    Raises:
        Contradiction: it did not.
    """
    try:
        return trust.head(note.encode())
    except (BadSignature, MalformedNote) as error:
        size = 0
        with suppress(MalformedNote):
            size = heads.unverified(note.encode()).size
        raise Contradiction(size, f"a head that was signed is changed: {error}") from error


async def _add(connection: Connection, signer: Signer, now: tree.Head, key: int) -> Published:
    """Sign a head and put it on record."""
    head = LedgerHead(
        origin=signer.verifier.name,
        size=now.size,
        root=now.root,
        streams_root=now.streams_root or EMPTY_STREAMS_ROOT,
    )
    note = heads.sign(head, signer).decode()
    signed_at = await connection.fetchval(
        SQL["add_head"], head.size, head.root, head.streams_root, key, note
    )
    return Published(
        size=head.size,
        root=head.root,
        streams_root=head.streams_root,
        key=key,
        note=note,
        signed_at=signed_at,
    )
