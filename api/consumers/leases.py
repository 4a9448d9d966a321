"""The lease that a delivery carries: opaque to members, `shard-epoch` or `shard-epoch-stream's id`."""

import re
from typing import Final

from msgspec import Struct

_FORM: Final = re.compile(r"([0-9]{1,2})-([0-9]{1,18})(?:-([0-9]{1,18}))?")


class Lease(Struct, frozen=True):
    """What was handed out: a part of a shard, or of a stream that was set aside."""

    shard: int
    epoch: int
    held: int | None = None

    def __str__(self) -> str:
        held = "" if self.held is None else f"-{self.held}"
        return f"{self.shard}-{self.epoch}{held}"


def lease_of(text: str) -> Lease | None:
    """Read a lease; None when it cannot be one.

    >>> str(lease_of("12-7"))
    '12-7'
    """
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    return Lease(int(match[1]), int(match[2]), int(match[3]) if match[3] else None)
