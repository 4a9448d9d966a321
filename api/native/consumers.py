"""`/v1/consumers`: durable positions in the log, read by any number of members.

A name belongs to one scope: the organization that a request acts in, or all of them (`*`) for a key
of all that names none. Outside of its scope a consumer does not exist.
"""

import re
from collections.abc import Sequence
from typing import Final

from aiohttp import web
from msgspec import UNSET, Struct
from msgspec.structs import asdict, replace

from api.auth.principal import ALL
from api.consumers import catalog, parked, settle
from api.consumers.arrive import Crowded, leave
from api.consumers.catalog import Standing
from api.consumers.frames import DeliveryHead, batch
from api.consumers.hand_out import Delivery
from api.consumers.handing import Ask, Handed
from api.consumers.leases import Lease, lease_of
from api.consumers.state import Look, look
from api.consumers.terms import Consumer, Filter, Terms
from api.native.call import Call, answer
from api.native.consumer_wire import (
    Acked,
    AckPost,
    Beat,
    ConsumerList,
    ConsumerPatch,
    ConsumerPut,
    ConsumerView,
    DiscardPost,
    MemberPost,
    MemberView,
    Nacked,
    NackPost,
    ParkedList,
    ParkedView,
    PollPost,
    Released,
    ReplayPost,
    ResetPost,
    Treated,
)
from api.native.cursor import decode_cursor, encode_cursor
from api.native.problems import ProblemError, malformed, not_found
from api.native.waiting import place
from ledger.events.codec import TYPES
from ledger.events.entry import instant_text
from ledger.store.pool import store_errors

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MAX_CONSUMERS: Final = 1000
"""Of one organization."""
AUDITING: Final = ("auditor", "admin")


class _BatchHead(Struct, frozen=True, kw_only=True):
    """A `Batch` without its deliveries."""

    member: str
    shards: int
    members: int
    position: int
    scanned: int
    head: int
    lag: int


async def list_consumers(call: Call) -> web.Response:
    """List consumers, those made first first."""
    limit = call.query_integer("limit", 100, low=1, high=call.node.settings.max_page)
    after = decode_cursor(call.query("after"), "c") or 0
    pool = call.node.store.pool
    with store_errors():
        found = await catalog.page(pool, call.readable, "pull", after=after, limit=limit)
        stand = await catalog.standings(pool, [each.id for each in found])
    head = call.node.store.tail.head
    views = tuple(_view(each, stand[each.id], head) for each in found if each.id in stand)
    cursor = encode_cursor("c", found[-1].id if len(found) == limit else None)
    return answer(ConsumerList(consumers=views, head=head, next=cursor))


async def put(call: Call) -> web.Response:
    """Make a consumer; of one that is there the terms are set, and its position stays."""
    name = call.path("consumer")
    post = await call.body(ConsumerPut)
    if not NAME.fullmatch(name):
        raise malformed("letters, digits, and . _ - make a consumer's name", "{consumer}")
    wanted = filter_of(call, post.types, post.job_id, with_keys=post.with_keys)
    terms = Terms(**{field: getattr(post, field) for field in Terms.__struct_fields__})
    pool = call.node.store.pool
    with store_errors():
        known = await catalog.find(pool, scope(call), "pull", name)
        made = None if known is not None else await _make(call, name, post, wanted, terms)
        if made is not None:
            return await _shown(call, made, status=201)
        known = known or await catalog.find(pool, scope(call), "pull", name)
        if known is None:
            raise not_found("consumer", name)
        if call.must_not_exist:
            raise ProblemError(412, "stale-version", "There is a consumer of that name already.")
        if known.filter != wanted:
            raise ProblemError(
                409,
                "consumer-differs",
                f"The consumer {name!r} is there already, with another filter.",
                "A filter never changes, since positions mean something only under it. Make a "
                "consumer of another name, or delete this one first.",
                current=known.filter,
            )
        changed = await catalog.change(pool, known.id, terms)
    return await _shown(call, changed or known)


def filter_of(
    call: Call, types: Sequence[str], job_id: str | None, *, with_keys: bool = False
) -> Filter:
    """Check which events are wanted."""
    for index, name in enumerate(types):
        if name not in TYPES:
            raise malformed(f"there is no event type {name[:50]!r}", f"$.types[{index}]")
    if with_keys and not call.principal.may(AUDITING):
        raise ProblemError(
            403, "forbidden", "Events of access keys are for auditors.", path="$.with_keys"
        )
    return Filter(types=tuple(sorted(set(types))), job_id=job_id, with_keys=with_keys)


async def _make(
    call: Call, name: str, post: ConsumerPut, wanted: Filter, terms: Terms
) -> Consumer | None:
    after = position_of(call, post.start, "$.start")
    pool = call.node.store.pool
    if await catalog.count(pool, scope(call), "pull") >= MAX_CONSUMERS:
        raise ProblemError(
            409, "too-many-consumers", f"An organization has {MAX_CONSUMERS} consumers at most."
        )
    return await catalog.create(
        pool,
        organization=scope(call),
        kind="pull",
        name=name,
        wanted=wanted,
        terms=terms,
        after=after,
        actor=call.principal.name,
    )


def position_of(call: Call, told: int | str, path: str) -> int:
    """Read where to begin: behind which position."""
    head = call.node.store.tail.head
    match told:
        case "beginning":
            return 0
        case int() if told > head:
            raise malformed(f"the log ends at {head}", path)
        case int():
            return told
        case _:
            return head


async def read(call: Call) -> web.Response:
    """Show a consumer: how far it is, and who reads."""
    return await _shown(call, await find(call))


async def patch(call: Call) -> web.Response:
    """Change a consumer's terms (merge patch)."""
    post = await call.body(ConsumerPatch)
    known = await find(call)
    told = {name: value for name, value in asdict(post).items() if value is not UNSET}
    with store_errors():
        changed = await catalog.change(call.node.store.pool, known.id, replace(known.terms, **told))
    return await _shown(call, changed or known)


async def delete(call: Call) -> web.Response:
    """Remove a consumer and what is known of it; the events stay, of course."""
    known = await find(call)
    with store_errors():
        await catalog.delete(call.node.store.pool, known.id)
    call.node.consumers.bells.ring(known.id)
    return web.Response(status=204)


async def reset(call: Call) -> web.Response:
    """Go on from another position; whatever is out is lost to its members."""
    post = await call.body(ResetPost)
    known = await find(call)
    after = position_of(call, post.position, "$.position")
    with store_errors():
        async with call.node.store.pool.acquire() as connection, connection.transaction():
            await catalog.reset(connection, known.id, after)
    await call.node.consumers.stir(known.id)
    return await _shown(call, await find(call))


async def poll(call: Call) -> web.Response:
    """Hand out events that wait, each to one member at a time; waits for some when asked to."""
    post = await call.optional_body(PollPost)
    known = await find(call)
    _may_read(call, known)
    ask = Ask(member=post.member, limit=post.limit, wait_s=post.wait_s, fresh=post.fresh)
    with place(call, post.wait_s):
        try:
            handed = await call.node.consumers.poll(known.id, ask)
        except Crowded:
            raise ProblemError(
                409, "too-many-members", "The consumer has too many members already."
            ) from None
    if handed is None:
        raise not_found("consumer", known.name)
    return web.Response(
        body=_batch(post.member, handed),
        headers={"Ledger-Position": str(handed.head), "Cache-Control": "no-store"},
        content_type="application/json",
        charset="utf-8",
    )


def _may_read(call: Call, consumer: Consumer) -> None:
    if consumer.filter.with_keys and not call.principal.may(AUDITING):
        raise ProblemError(403, "forbidden", "Events of access keys are for auditors.")


def _batch(member: str, handed: Handed) -> bytes:
    head = _BatchHead(
        member=member,
        shards=handed.shards,
        members=handed.members,
        position=handed.done,
        scanned=handed.scanned,
        head=handed.head,
        lag=max(0, handed.head - handed.done),
    )
    return batch(
        head, ((_delivery(each), (x.line for x in each.lines)) for each in handed.deliveries)
    )


def _delivery(delivery: Delivery) -> DeliveryHead:
    return DeliveryHead(
        lease=str(delivery.lease),
        shard=delivery.lease.shard,
        attempt=delivery.attempt,
        position=delivery.lines[-1].position,
        lease_until=instant_text(delivery.lease_until),
        stream=None if delivery.lease.held is None else delivery.lines[0].stream,
    )


async def ack(call: Call) -> web.Response:
    """Say what is done, each lease by itself; under a lost lease nothing changes."""
    post = await call.body(AckPost)
    known = await find(call)
    done = [
        settle.Done(_lease(part.lease, f"$.leases[{index}].lease"), part.position)
        for index, part in enumerate(post.leases)
    ]
    with store_errors():
        async with call.node.store.pool.acquire() as connection, connection.transaction():
            settled = await settle.acknowledge(connection, known.id, done, known.terms.lease_s)
    taken = tuple(str(lease) for lease in settled.taken)
    if settled.lost:
        lost = tuple(str(lease) for lease in settled.lost)
        raise ProblemError(
            409,
            "lease-lost",
            "Some of this is not yours any more.",
            f"Of {len(done)} leases {len(lost)} ended before, or do not reach that far. What is "
            "under them is or will be handed out again; the others were acknowledged.",
            current={"acked": taken, "lost": lost},
        )
    return answer(Acked(acked=taken, open=tuple(str(lease) for lease in settled.open)))


async def nack(call: Call) -> web.Response:
    """Say that an event could not be handled: its execution is set aside, the others go on."""
    post = await call.body(NackPost)
    known = await find(call)
    failed = settle.Failed(
        lease=_lease(post.lease, "$.lease"),
        position=post.position,
        reason=post.reason,
        park=post.park,
        retry_after_s=post.retry_after_s,
    )
    with store_errors():
        async with call.node.store.pool.acquire() as connection, connection.transaction():
            aside = await settle.set_aside(connection, known.id, failed)
    if aside.outcome == "lost":
        raise ProblemError(
            409,
            "lease-lost",
            "This is not yours any more.",
            "The lease ended before, or the event is not under it; nothing was changed.",
        )
    return answer(Nacked(outcome=aside.outcome, attempts=aside.attempts))


async def heartbeat(call: Call) -> web.Response:
    """Prolong a member's leases, and tell which it still has."""
    post = await call.optional_body(MemberPost)
    known = await find(call)
    with store_errors():
        async with call.node.store.pool.acquire() as connection, connection.transaction():
            leases = await settle.prolong(connection, known.id, post.member)
    if leases is None:
        raise ProblemError(
            409,
            "lease-lost",
            "The member is not there any more.",
            "It was not heard of for too long; what it had is or will be handed out again.",
        )
    return answer(Beat(lease_s=known.terms.lease_s, leases=tuple(map(str, leases))))


async def release(call: Call) -> web.Response:
    """Let a member go: what it has is free at once, and not counted as an attempt."""
    post = await call.optional_body(MemberPost)
    known = await find(call)
    with store_errors():
        async with call.node.store.pool.acquire() as connection, connection.transaction():
            was_there = await leave(connection, known.id, post.member)
    if was_there:
        await call.node.consumers.stir(known.id)
    return answer(Released(released=was_there))


async def list_parked(call: Call) -> web.Response:
    """List what is set aside: parked streams, and with `retrying` those that are tried again."""
    return await parked_of(call, await find(call))


async def parked_of(call: Call, known: Consumer) -> web.Response:
    """List what is set aside of a consumer, or of a webhook."""
    limit = call.query_integer("limit", 100, low=1, high=call.node.settings.max_page)
    after = decode_cursor(call.query("after"), "h") or 0
    with store_errors():
        found = await parked.page(
            call.node.store.pool,
            known,
            parked_only=not call.query_flag("retrying"),
            after=after,
            limit=limit,
        )
    cursor = encode_cursor("h", found[-1].id if len(found) == limit else None)
    views = tuple(
        ParkedView(**{name: getattr(each, name) for name in ParkedView.__struct_fields__})
        for each in found
    )
    return answer(ParkedList(streams=views, next=cursor))


async def replay_parked(call: Call) -> web.Response:
    """Try parked streams anew, from the event that stands in the way, with all attempts."""
    return await replay_of(call, await find(call))


async def replay_of(call: Call, known: Consumer) -> web.Response:
    """Try parked streams of a consumer, or of a webhook, anew."""
    post = await call.optional_body(ReplayPost)
    with store_errors():
        async with call.node.store.pool.acquire() as connection, connection.transaction():
            streams = await parked.replay(
                connection, known.id, None if post.streams is None else list(post.streams)
            )
    await call.node.consumers.stir(known.id)
    return answer(Treated(streams=tuple(streams)))


async def discard_parked(call: Call) -> web.Response:
    """Give up the event that stands in the way of a stream; those behind it go on, in order."""
    return await discard_of(call, await find(call))


async def discard_of(call: Call, known: Consumer) -> web.Response:
    """Give up what stands in the way of streams of a consumer, or of a webhook."""
    post = await call.body(DiscardPost)
    with store_errors():
        async with call.node.store.pool.acquire() as connection, connection.transaction():
            streams = await parked.discard(connection, known.id, list(post.streams))
    if not streams:
        raise not_found("parked stream", post.streams[0])
    await call.node.consumers.stir(known.id)
    return answer(Treated(streams=tuple(streams)))


def scope(call: Call) -> str:
    """Give the scope in which a request's names are looked up."""
    return ALL if call.readable is None else call.organization


async def find(call: Call) -> Consumer:
    """Find the consumer that a request names.

    Raises:
        ProblemError: there is none in the request's scope.
    """
    name = call.path("consumer")
    with store_errors():
        known = await catalog.find(call.node.store.pool, scope(call), "pull", name)
    if known is None:
        raise not_found("consumer", name)
    return known


def _lease(text: str, path: str) -> Lease:
    lease = lease_of(text)
    if lease is None:
        raise malformed("this is no lease that was given out", path)
    return lease


async def _shown(call: Call, consumer: Consumer, *, status: int = 200) -> web.Response:
    pool = call.node.store.pool
    with store_errors():
        stand = await catalog.standings(pool, [consumer.id])
        here = await look(pool, consumer.id)
    if here is None or consumer.id not in stand:
        raise not_found("consumer", consumer.name)
    view = _view(consumer, stand[consumer.id], call.node.store.tail.head, here)
    return answer(view, status=status, headers={"Cache-Control": "no-store"})


def _view(
    consumer: Consumer, standing: Standing, head: int, here: Look | None = None
) -> ConsumerView:
    members = () if here is None else tuple(_members(here))
    return ConsumerView(
        name=consumer.name,
        organization=consumer.organization,
        position=standing.done,
        scanned=standing.scanned,
        head=head,
        lag=max(0, head - standing.done),
        member_count=standing.members,
        shards_out=standing.shards_out,
        parked=standing.parked,
        retrying=standing.retrying,
        lease_s=consumer.terms.lease_s,
        max_attempts=consumer.terms.max_attempts,
        backoff_s=consumer.terms.backoff_s,
        backoff_max_s=consumer.terms.backoff_max_s,
        created_at=consumer.created_at,
        created_by=consumer.created_by,
        types=consumer.filter.types,
        job_id=consumer.filter.job_id,
        with_keys=consumer.filter.with_keys,
        description=consumer.terms.description,
        members=members,
    )


def _members(here: Look) -> list[MemberView]:
    return [
        MemberView(
            name=member.name,
            shards=sum(s.member == member.id for s in here.shards),
            left_s=round(member.left_s, 1),
        )
        for member in here.members
        if member.is_alive
    ]
