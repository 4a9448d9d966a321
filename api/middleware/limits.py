"""How many requests a key may make in a minute, by a token bucket.

A bucket is one process's own: with N processes a key may make up to N times as many.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from msgspec import Struct

MAX_BUCKETS: Final = 10_000


class _Bucket(Struct):
    tokens: float
    at: float


class Allowance(Struct, frozen=True, kw_only=True):
    """What is left of a limit, for the RateLimit headers."""

    limit: int
    remaining: int
    reset_s: int
    """Until the whole limit is there again."""
    retry_after_s: int | None = None
    """Set when the request must wait."""

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell a client."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_s),
        }


class RateLimit:
    """A limit per minute for each subject; the least recently seen are forgotten."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def take(self, subject: Hashable) -> Allowance:
        """Count one request of a subject."""
        now = asyncio.get_running_loop().time()
        rate = self._per_minute / 60
        bucket = self._buckets.setdefault(subject, _Bucket(float(self._per_minute), now))
        self._buckets.move_to_end(subject)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self._per_minute, bucket.tokens + (now - bucket.at) * rate)
        bucket.at = now
        allowed = bucket.tokens >= 1
        if allowed:
            bucket.tokens -= 1
        return Allowance(
            limit=self._per_minute,
            remaining=int(bucket.tokens),
            reset_s=math.ceil((self._per_minute - bucket.tokens) / rate),
            retry_after_s=None if allowed else math.ceil((1 - bucket.tokens) / rate),
        )
