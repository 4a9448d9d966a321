"""Which shard a stream belongs to, and which shards a member should have. Pure; for ever."""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

from msgspec import Struct

SHARDS: Final = 64


def shard_of(stream: str) -> int:
    """Give a stream's shard: CRC-32 of its UTF-8 bytes, modulo 64. Stored positions rely on it.

    >>> shard_of("execution/0198c0de-0000-7000-8000-000000000000")
    17
    """
    return crc32(stream.encode()) % SHARDS


def share(members: Sequence[int], member: int) -> int:
    """Give how many shards a member should own among *members* (ids, those who joined first first).

    >>> [share([7, 8, 9], member) for member in (7, 8, 9)]
    [22, 21, 21]
    """
    least, more = divmod(SHARDS, len(members))
    return least + (sorted(members).index(member) < more)


class Moves(Struct, frozen=True):
    """What a member gives back and takes over."""

    give: tuple[int, ...]
    take: tuple[int, ...]


def moves(
    owners: Sequence[int | None], out: frozenset[int], members: Sequence[int], member: int
) -> Moves:
    """Say what brings a member nearer to its share.

    *owners* has each shard's owner by number; those in *out* cannot move now, because something of
    them is handed out. Repeated by every member it ends with everybody at their share.
    """
    wanted = share(members, member)
    own = [shard for shard, owner in enumerate(owners) if owner == member]
    if len(own) > wanted:
        free = [shard for shard in own if shard not in out]
        return Moves(tuple(free[: len(own) - wanted]), ())
    unowned = [shard for shard, owner in enumerate(owners) if owner is None and shard not in out]
    return Moves((), tuple(unowned[: wanted - len(own)]))
