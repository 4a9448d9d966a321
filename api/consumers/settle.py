"""What members say of what they were handed: done, failed, still at it."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from api.consumers.leases import Lease
from api.consumers.shards import shard_of
from api.consumers.state import CONSUMERS, HANDING, MEMBERS, Connection, look


class Done(Struct, frozen=True):
    """Everything under a lease up to a position is done; all of it when there is none."""

    lease: Lease
    position: int | None = None


class Failed(Struct, frozen=True, kw_only=True):
    """An event could not be handled. Its stream is set aside; the rest of the lease goes on."""

    lease: Lease
    position: int
    reason: str = ""
    park: bool = False
    """At once, whatever the attempts."""
    retry_after_s: float | None = None
    """None: as the consumer's terms say."""


class Settled(Struct, frozen=True):
    """Which leases still held, and which did not any more."""

    taken: tuple[Lease, ...]
    lost: tuple[Lease, ...]
    open: tuple[Lease, ...] = ()
    """Of those taken: not done to the end yet."""


class SetAside(Struct, frozen=True):
    """What became of a failed event."""

    outcome: Literal["retrying", "parked", "lost"]
    attempts: int = 0


async def acknowledge(
    connection: Connection, consumer: int, done: Sequence[Done], lease_s: float
) -> Settled:
    """Note what is done; each lease is judged by itself. Runs in a transaction of the caller's.

    Idempotent: what is done already stays so, as long as nothing newer was handed out.
    """
    await connection.fetchrow(CONSUMERS["lock"], consumer)
    taken: dict[Lease, bool] = {}
    done = _furthest(done)
    shards = [each for each in done if each.lease.held is None]
    if shards:
        rows = await connection.fetch(
            HANDING["ack_shards"],
            consumer,
            lease_s,
            [each.lease.shard for each in shards],
            [each.lease.epoch for each in shards],
            [each.position for each in shards],
        )
        taken |= {Lease(row["shard"], row["epoch"]): row["is_done"] for row in rows}
    held = [each for each in done if each.lease.held is not None]
    if held:
        rows = await connection.fetch(
            HANDING["ack_held"],
            consumer,
            lease_s,
            [each.lease.held for each in held],
            [each.lease.epoch for each in held],
            [each.position for each in held],
        )
        taken |= {Lease(row["shard"], row["epoch"], row["id"]): row["is_done"] for row in rows}
    leases = [each.lease for each in done]
    return Settled(
        taken=tuple(lease for lease in leases if lease in taken),
        lost=tuple(lease for lease in leases if lease not in taken),
        open=tuple(lease for lease in leases if not taken.get(lease, True)),
    )


def _furthest(done: Sequence[Done]) -> list[Done]:
    """Keep of what is said of one lease that which reaches furthest."""
    found: dict[Lease, Done] = {}
    for each in done:
        known = found.get(each.lease)
        if (
            known is None
            or each.position is None
            or (known.position is not None and known.position < each.position)
        ):
            found[each.lease] = each
    return list(found.values())


async def set_aside(connection: Connection, consumer: int, failed: Failed) -> SetAside:
    """Set a stream aside at an event that failed. Runs in a transaction of the caller's.

    The lease stays: what else is under it is acknowledged as usual, past the failed event.
    """
    await connection.fetchrow(CONSUMERS["lock"], consumer)
    lease = failed.lease
    if lease.held is not None:
        row = await connection.fetchrow(
            HANDING["fail_held"],
            consumer,
            lease.held,
            lease.epoch,
            failed.position,
            failed.reason,
            failed.park,
            failed.retry_after_s,
        )
    else:
        stream = await connection.fetchval(HANDING["stream_at"], failed.position)
        if stream is None or shard_of(stream) != lease.shard:
            return SetAside("lost")
        row = await connection.fetchrow(
            HANDING["set_aside"],
            consumer,
            lease.shard,
            lease.epoch,
            stream,
            failed.position,
            failed.reason,
            failed.park,
            failed.retry_after_s,
        )
    if row is None:
        return SetAside("lost")
    return SetAside("parked" if row["is_parked"] else "retrying", row["attempts"])


async def prolong(connection: Connection, consumer: int, name: str) -> tuple[Lease, ...] | None:
    """Prolong a stay and all that is out with it, and say what that is; None if it has ended.

    Runs in a transaction of the caller's.
    """
    here = await look(connection, consumer, lock=True)
    member = None if here is None else here.member(name)
    if here is None or member is None:
        return None
    rows = await connection.fetch(
        MEMBERS["prolong"], consumer, member.id, here.consumer.terms.lease_s
    )
    return tuple(Lease(row["shard"], row["epoch"], row["held"]) for row in rows)
