"""The answer to a poll, as bytes: lines are put into it as they are. Pure."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

_ENCODE = msgspec.json.Encoder().encode


class DeliveryHead(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is said of a delivery besides its lines."""

    lease: str
    """Names the delivery in acknowledgements."""
    shard: int
    attempt: int
    """How often its first event was handed out, this time included."""
    position: int
    """Its last event: acknowledging up to here ends the lease."""
    lease_until: str
    stream: str | None = None
    """Set when these are events of one stream that had been set aside."""


def batch(head: Struct, deliveries: Iterable[tuple[DeliveryHead, Iterable[bytes]]]) -> bytes:
    """Make the answer: the fields of *head*, and `deliveries` behind them."""
    told = b",".join(_delivery(each, lines) for each, lines in deliveries)
    return b'%b,"deliveries":[%b]}' % (_ENCODE(head)[:-1], told)


def _delivery(head: DeliveryHead, lines: Iterable[bytes]) -> bytes:
    return b'%b,"events":[%b]}' % (_ENCODE(head)[:-1], b",".join(lines))
