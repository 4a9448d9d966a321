"""Coming and going of members: stays, what is lost with those that died, and who owns what."""

from typing import Final

from msgspec import Struct

from api.consumers.state import MEMBERS, Connection, Look, Member, look

MAX_MEMBERS: Final = 256
"""More than there are shards: the others stand by."""


class Crowded(Exception):
    """There are too many members already."""


class Arrival(Struct, frozen=True):
    """A member that is there, and the consumer as it is now."""

    look: Look
    member: Member
    stirs: bool
    """Whether waiting members have a reason to look again."""


async def arrive(
    connection: Connection, consumer: int, name: str, *, fresh: bool
) -> Arrival | None:
    """Note that a member is there, end what ran out, and move shards towards everybody's share.

    Runs in a transaction of the caller's. With *fresh* the member knows of nothing that it was
    handed before. None when the consumer is gone.

    Raises:
        Crowded: one member more would be too many.
    """
    here = await look(connection, consumer, lock=True)
    if here is None:
        return None
    before = here.member(name)
    if fresh and before is not None:
        await connection.execute(MEMBERS["give_up"], consumer, before.id)
    await connection.execute(MEMBERS["lose_shards"], consumer)
    await connection.execute(MEMBERS["lose_held"], consumer)
    await connection.execute(MEMBERS["bury"], consumer)
    alive = sum(m.is_alive for m in here.members)
    if before is None and alive >= MAX_MEMBERS:
        raise Crowded
    await connection.execute(MEMBERS["join"], consumer, name, here.consumer.terms.lease_s)
    found = await look(connection, consumer)
    member = None if found is None else found.member(name)
    if found is None or member is None:
        return None
    wanted = found.moves(member)
    if wanted.give:
        await connection.execute(MEMBERS["move"], consumer, wanted.give, None)
    if wanted.take:
        await connection.execute(MEMBERS["move"], consumer, wanted.take, member.id)
    if wanted.give or wanted.take:
        found = await look(connection, consumer) or found
    return Arrival(found, member, before is None or bool(wanted.give))


async def leave(connection: Connection, consumer: int, name: str) -> bool:
    """Let a member go in good order; whether it was there. Runs in a transaction of the caller's."""
    here = await look(connection, consumer, lock=True)
    member = None if here is None else here.member(name)
    if member is None:
        return False
    await connection.execute(MEMBERS["leave"], consumer, member.id)
    return True
