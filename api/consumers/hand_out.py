"""Handing out under the consumer's lock: leases are given, and only for what still is as it was read."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from api.consumers.choose import Cut
from api.consumers.leases import Lease
from api.consumers.state import CONSUMERS, HANDING, Connection, Held, Look
from api.streaming.lines import StreamLine


class Delivery(Struct, frozen=True):
    """Lines of one shard, or of one stream that was set aside, under one lease."""

    lease: Lease
    attempt: int
    """How often the first of them was handed out, this time included."""
    lines: tuple[StreamLine, ...]
    lease_until: datetime


class HeldCut(Struct, frozen=True):
    """What a stream that was set aside is handed; nothing when it may return to its shard."""

    held: Held
    through: int
    lines: tuple[StreamLine, ...]
    passed: int
    """How far its shard was acknowledged."""


async def hand_out(
    connection: Connection,
    here: Look,
    member: int,
    held: Sequence[HeldCut],
    cuts: Sequence[Cut],
) -> tuple[tuple[Delivery, ...], bool]:
    """Give leases for what was cut; also tell whether anything changed at all.

    Runs in a transaction of the caller's: nobody may learn of a lease before it is durable.
    """
    consumer = here.consumer
    await connection.fetchrow(CONSUMERS["lock"], consumer.id)
    deliveries = [
        *await _held(connection, here, member, [cut for cut in held if cut.lines]),
        *await _shards(connection, here, member, cuts),
    ]
    empty = [cut for cut in held if not cut.lines]
    returned = await connection.fetch(
        HANDING["unhold"],
        consumer.id,
        [cut.held.id for cut in empty],
        [cut.passed for cut in empty],
    )
    given = [delivery for delivery in deliveries if delivery.lines]
    if given:
        await connection.execute(HANDING["stay"], member, consumer.terms.lease_s)
    given.sort(key=lambda delivery: delivery.lines[0].position)
    return tuple(given), bool(deliveries or returned)


async def _held(
    connection: Connection, here: Look, member: int, cuts: Sequence[HeldCut]
) -> list[Delivery]:
    if not cuts:
        return []
    rows = await connection.fetch(
        HANDING["hand_out_held"],
        here.consumer.id,
        member,
        here.consumer.terms.lease_s,
        [cut.held.id for cut in cuts],
        [cut.held.epoch for cut in cuts],
        [cut.through for cut in cuts],
        [cut.lines[0].position for cut in cuts],
        [cut.lines[-1].position for cut in cuts],
    )
    lines = {cut.held.id: cut.lines for cut in cuts}
    return [
        Delivery(
            Lease(row["shard"], row["epoch"], row["id"]),
            row["attempts"],
            lines[row["id"]],
            row["lease_until"],
        )
        for row in rows
    ]


async def _shards(
    connection: Connection, here: Look, member: int, cuts: Sequence[Cut]
) -> list[Delivery]:
    """Hand out what is not set aside; a shard of which nothing is left over moves on by itself."""
    if not cuts:
        return []
    streams = {line.stream for cut in cuts for line in cut.lines}
    aside = await connection.fetch(HANDING["still_held"], here.consumer.id, list(streams))
    free = [cut.without({row["stream"] for row in aside}) for cut in cuts]
    rows = await connection.fetch(
        HANDING["hand_out"],
        here.consumer.id,
        member,
        here.consumer.terms.lease_s,
        [cut.shard.shard for cut in free],
        [cut.shard.epoch for cut in free],
        [cut.through for cut in free],
        [cut.lines[0].position if cut.lines else None for cut in free],
        [cut.lines[-1].position if cut.lines else None for cut in free],
    )
    lines = {cut.shard.shard: cut.lines for cut in free}
    return [
        Delivery(
            Lease(row["shard"], row["epoch"]),
            row["attempts"],
            lines[row["shard"]],
            row["lease_until"],
        )
        for row in rows
    ]
