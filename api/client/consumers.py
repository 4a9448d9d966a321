"""Durable consumers: being handed events, batch after batch, with a lease that is kept alive."""

import asyncio
import os
import re
import secrets
import socket
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import asdict

from api.client.errors import Busy, ClientError, Conflict, ServerFault, Unreachable
from api.client.events import MAX_FAULTS
from api.client.transport import Transport, pause_before, segment
from api.native.consumer_wire import (
    Acked,
    AckPart,
    AckPost,
    Batch,
    Beat,
    ConsumerList,
    ConsumerPatch,
    ConsumerPut,
    ConsumerView,
    DeliveryView,
    DiscardPost,
    MemberPost,
    Nacked,
    NackPost,
    ParkedList,
    PollPost,
    ReplayPost,
    ResetPost,
    Treated,
)
from api.native.wire import EventView

T = TypeVar("T")

_VIEW: Final = msgspec.json.Decoder(ConsumerView)
_LIST: Final = msgspec.json.Decoder(ConsumerList)
_BATCH: Final = msgspec.json.Decoder(Batch)
_ACKED: Final = msgspec.json.Decoder(Acked)
_NACKED: Final = msgspec.json.Decoder(Nacked)
_BEAT: Final = msgspec.json.Decoder(Beat)
_PARKED: Final = msgspec.json.Decoder(ParkedList)
_TREATED: Final = msgspec.json.Decoder(Treated)

BEATS_A_LEASE: Final = 3
READ_WAIT_S: Final = 20.0


class Handful:
    """The events of one batch, by position; going on to the next batch acknowledges it."""

    def __init__(self, consumers: "Consumers", name: str, batch: Batch) -> None:
        self._consumers = consumers
        self._name = name
        self._skipped: set[str] = set()
        self.batch = batch
        self.is_lost = False
        """A lease ended while this was worked on: what is left of it comes again to somebody."""

    def __iter__(self) -> Iterator[EventView]:
        """Give the events, without those of streams that failed meanwhile.

        Order: by position.
        """
        for _, event in self._by_position():
            if event.stream not in self._skipped:
                yield event

    async def fail(
        self,
        event: EventView,
        reason: str = "",
        *,
        park: bool = False,
        retry_after_s: float | None = None,
    ) -> Nacked:
        """Say that an event could not be handled; what follows of its stream comes again later.

        Raises:
            Conflict: the lease was lost.
        """
        self._skipped.add(event.stream)
        lease = next(d.lease for d, e in self._by_position() if e.position == event.position)
        post = NackPost(
            lease=lease,
            position=event.position,
            reason=reason,
            park=park,
            retry_after_s=retry_after_s,
        )
        return await self._consumers.nack(self._name, post)

    @property
    def leases(self) -> tuple[AckPart, ...]:
        """What acknowledges all of it, except for what was set aside by itself and failed again."""
        return tuple(
            AckPart(lease=d.lease, position=d.position)
            for d in self.batch.deliveries
            if d.stream is None or d.stream not in self._skipped
        )

    def _by_position(self) -> list[tuple[DeliveryView, EventView]]:
        pairs = [(d, event) for d in self.batch.deliveries for event in d.events]
        return sorted(pairs, key=lambda pair: pair[1].position)


class Consumers:
    """Make consumers, read under them, and look after them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(self, *, after: str | None = None) -> ConsumerList:
        """List consumers."""
        return await self._call("GET", "", _LIST, query={"after": after})

    async def put(self, name: str, put: ConsumerPut | None = None) -> ConsumerView:
        """Make a consumer, or set its terms. Idempotent.

        Raises:
            Conflict: it is there already, with another filter.
        """
        return await self._call("PUT", _path(name), _VIEW, body=_told(put or ConsumerPut()))

    async def show(self, name: str) -> ConsumerView:
        """Say how far a consumer is."""
        return await self._call("GET", _path(name), _VIEW)

    async def change(self, name: str, patch: ConsumerPatch) -> ConsumerView:
        """Change a consumer's terms. Idempotent."""
        return await self._call("PATCH", _path(name), _VIEW, body=patch)

    async def delete(self, name: str) -> None:
        """Remove a consumer."""
        await self._transport.fetch("DELETE", f"/v1/consumers{_path(name)}")

    async def reset(self, name: str, post: ResetPost) -> ConsumerView:
        """Go on from another position. Idempotent."""
        return await self._call("POST", f"{_path(name)}/reset", _VIEW, body=post)

    async def poll(self, name: str, post: PollPost) -> Batch:
        """Ask once for events.

        Idempotent: no; what was handed out in an answer that got lost comes again after its lease.
        """
        return await self._transport.call(
            "POST",
            f"/v1/consumers{_path(name)}/events",
            _BATCH,
            body=post,
            repeat=False,
            wait_s=post.wait_s,
        )

    async def ack(self, name: str, leases: Iterable[AckPart]) -> Acked:
        """Say what is done. Idempotent.

        Raises:
            Conflict: some leases were lost; the others are acknowledged.
        """
        return await self._call(
            "POST", f"{_path(name)}/ack", _ACKED, body=AckPost(leases=tuple(leases))
        )

    async def nack(self, name: str, post: NackPost) -> Nacked:
        """Say that an event could not be handled.

        Raises:
            Conflict: the lease was lost.
        """
        return await self._call("POST", f"{_path(name)}/nack", _NACKED, body=_told(post))

    async def heartbeat(self, name: str, member: str) -> Beat:
        """Prolong a member's leases. Idempotent.

        Raises:
            Conflict: the member is not there any more.
        """
        post = MemberPost(member=member)
        return await self._call("POST", f"{_path(name)}/heartbeat", _BEAT, body=post)

    async def release(self, name: str, member: str) -> None:
        """Leave in good order. Idempotent."""
        await self._transport.fetch(
            "POST", f"/v1/consumers{_path(name)}/release", body=MemberPost(member=member)
        )

    async def parked(
        self, name: str, *, retrying: bool = False, after: str | None = None
    ) -> ParkedList:
        """List what is set aside."""
        query = {"retrying": retrying or None, "after": after}
        return await self._call("GET", f"{_path(name)}/parked", _PARKED, query=query)

    async def replay(self, name: str, streams: Iterable[str] | None = None) -> Treated:
        """Try parked streams anew, all of them when none is named. Idempotent."""
        post = ReplayPost(streams=None if streams is None else tuple(streams))
        return await self._call("POST", f"{_path(name)}/parked/replay", _TREATED, body=_told(post))

    async def discard(self, name: str, streams: Iterable[str]) -> Treated:
        """Give up the event that stands in the way of each stream.

        Idempotent: no; the next event may stand in the way by then.
        """
        return await self._transport.call(
            "POST",
            f"/v1/consumers{_path(name)}/parked/discard",
            _TREATED,
            body=DiscardPost(streams=tuple(streams)),
            repeat=False,
        )

    async def read(
        self,
        name: str,
        *,
        member: str | None = None,
        limit: int = 100,
        wait_s: float = READ_WAIT_S,
        until_empty: bool = False,
    ) -> AsyncGenerator[Handful, None]:
        """Read batch after batch, as one member of a consumer: for ever, or until nothing waits.

        While a batch is worked on its leases are kept alive. Asking for the next one acknowledges
        it; leaving the loop does not, and lets the member go. A lost server is waited for. Give a
        *member* a name of its own (the default is one), which may outlast a restart: what it had
        been handed before comes again at once.

        Order: within a batch by position, and by stream over all batches.

        Raises:
            Refused: the key may not, or there is no such consumer.
        """
        member = member or own_name()
        lease_s = (await self.show(name)).lease_s
        fresh = True
        try:
            while True:
                post = PollPost(
                    member=member,
                    limit=limit,
                    wait_s=0.0 if until_empty else wait_s,
                    fresh=fresh,
                )
                batch = await self._patiently(name, post)
                fresh = False
                if not batch.deliveries:
                    if until_empty:
                        return
                    continue
                handful = Handful(self, name, batch)
                beating = asyncio.create_task(self._beat(name, member, lease_s, handful))
                try:
                    yield handful
                finally:
                    beating.cancel()
                    with suppress(asyncio.CancelledError):
                        await beating
                if handful.leases:
                    with suppress(Conflict):  # what was lost comes again, to whomever
                        await self.ack(name, handful.leases)
        finally:
            with suppress(ClientError):
                await self.release(name, member)

    async def _patiently(self, name: str, post: PollPost) -> Batch:
        failures = 0
        while True:
            try:
                return await self.poll(name, post)
            except (Unreachable, Busy, ServerFault) as error:
                failures += 1
                if isinstance(error, ServerFault) and failures >= MAX_FAULTS:
                    raise
                asked_s = error.retry_after_s if isinstance(error, Busy) else 0.0
                await asyncio.sleep(pause_before(failures + 1, asked_s))
                # An answer that got lost may have handed something out.
                post = msgspec.structs.replace(post, fresh=True)

    async def _beat(self, name: str, member: str, lease_s: float, handful: Handful) -> None:
        leases = {d.lease for d in handful.batch.deliveries}
        while True:
            await asyncio.sleep(lease_s / BEATS_A_LEASE)
            try:
                beat = await self.heartbeat(name, member)
            except Conflict:
                handful.is_lost = True
                return
            except ClientError:
                continue  # the lease may outlast the trouble
            still = {part.lease for part in handful.leases} & leases
            handful.is_lost = handful.is_lost or not still <= set(beat.leases)

    async def _call(
        self, method: str, path: str, answer: msgspec.json.Decoder[T], **more: Any
    ) -> T:
        return await self._transport.call(method, f"/v1/consumers{path}", answer, **more)


def own_name() -> str:
    """Make up a member's name that no other process has."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()).lstrip(".-")[:100]
    return f"{host or 'member'}-{os.getpid()}-{secrets.token_hex(4)}"


def _path(name: str) -> str:
    return f"/{segment(name)}"


def _told(post: msgspec.Struct) -> dict[str, Any]:
    """Leave out what is not said."""
    return {key: value for key, value in asdict(post).items() if value is not None}
