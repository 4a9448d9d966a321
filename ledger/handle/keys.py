"""Making, finding and revoking access keys.

A key is found by the digest of its secret, through a claim that its stream owns for ever: what a
revoked key's secret opened, it opens never again.
"""

import hashlib
import secrets
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from ledger.clock import Clock
from ledger.errors import ClaimTaken
from ledger.events.envelope import Fact
from ledger.events.keys import KeyCreated, KeyLookedAcross, KeyRevoked, Role
from ledger.handle.streams import Done, Planned, Streams
from ledger.ids import key_stream, new_uuid
from ledger.keys.state import KeyState, evolve
from ledger.rejection import KeyUnknown, Rejection
from ledger.store.port import AnyRecorded, Claim, Context
from ledger.store.postgres import PostgresStore

CACHE_SIZE = 1000


class MadeKey(Struct, frozen=True):
    """A new key with its secret, which is nowhere kept."""

    state: KeyState
    secret: str
    records: tuple[AnyRecorded, ...] = ()
    """The event that made it; none when it was there."""


def secret_digest(secret: str) -> str:
    """Digest a secret as it is recorded."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """Make a secret of 256 random bits."""
    return secrets.token_urlsafe(32)


class Keys:
    """Access keys of all organizations."""

    def __init__(self, store: PostgresStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.streams = Streams[KeyState](store, evolve, cache_size=CACHE_SIZE)

    async def create(
        self,
        context: Context,
        *,
        name: str,
        roles: Sequence[Role],
        organizations: Sequence[str],
        public_id: str = "",
        secret: str | None = None,
    ) -> MadeKey:
        """Make a key; with a *secret* given, one that opens it already is given back as it is.

        Raises:
            ClaimTaken: the secret is that of a revoked key; take another.
        """
        secret = secret or new_secret()
        digest = secret_digest(secret)
        uuid = new_uuid()
        created = KeyCreated(
            uuid=uuid,
            name=name,
            public_id=public_id or uuid.hex,
            secret_sha256=digest,
            roles=tuple(roles),
            organizations=tuple(organizations),
        )
        stream = key_stream(uuid)
        try:
            done = await self.streams.change(
                stream,
                lambda _state: (Fact(created, self._clock()),),
                context,
                plan=lambda _state, _facts: Planned(
                    claims=(Claim(key=_claim(digest), stream=stream),)
                ),
            )
        except ClaimTaken:
            known = await self.find(digest)
            if known is None:
                raise
            return MadeKey(known, secret)
        if not isinstance(done, Done):
            raise _Refused(done)
        return MadeKey(done.state, secret, done.records)

    async def find(self, digest: str) -> KeyState | None:
        """Find the key that a secret of this digest opens; None when there is none, or revoked."""
        owner = await self._store.claim_owner(_claim(digest))
        if owner is None:
            return None
        state = (await self.streams.refresh(owner.stream)).state
        return state if state is not None and state.revoked_at is None else None

    async def by_id(self, uuid: UUID) -> KeyState | None:
        """Find a key by its id; None when there is none, or it was revoked."""
        state = (await self.streams.refresh(key_stream(uuid))).state
        return state if state is not None and state.revoked_at is None else None

    async def revoke(
        self, context: Context, uuid: UUID, *, reason: str
    ) -> Done[KeyState] | Rejection:
        """Let a key open nothing any more. Idempotent."""
        stream = key_stream(uuid)
        loaded = await self.streams.refresh(stream)
        if loaded.state is None:
            return KeyUnknown(key=str(uuid))
        done = await self.streams.change(
            stream,
            lambda state: (
                ()
                if state is None or state.revoked_at is not None
                else (Fact(KeyRevoked(reason=reason), self._clock()),)
            ),
            context,
        )
        if not isinstance(done, Done):
            raise _Refused(done)
        return done

    async def look_across(self, context: Context, uuid: UUID, *, at: str) -> bool:
        """Put on record that a key is used to look beyond its organizations.

        False, and nothing is on record: there is no such key here.
        """
        if (await self.streams.refresh(key_stream(uuid))).state is None:
            return False
        seen = Fact(KeyLookedAcross(at=at), self._clock())
        done = await self.streams.change(
            key_stream(uuid), lambda state: () if state is None else (seen,), context
        )
        if not isinstance(done, Done):
            raise _Refused(done)
        return True


class _Refused(AssertionError):
    """Creating and revoking keys is never refused."""


def _claim(digest: str) -> str:
    return f"secret/{digest}"
