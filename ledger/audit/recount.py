"""The map of streams, counted again from the entries."""

from ledger.merkle.streams import (
    NOTHING,
    BucketTree,
    Record,
    bucket_hash,
    bucket_of,
    key_of,
    next_chain,
)


class Recount:
    """A map that grows with each entry and gives its root whenever asked."""

    def __init__(self) -> None:
        self._buckets: dict[int, dict[bytes, bytes]] = {}
        self._tree = BucketTree()
        self._changed: set[int] = set()

    def add(self, stream: str, leaf: bytes) -> None:
        """Take in the next entry of a stream."""
        key = key_of(stream)
        number = bucket_of(key)
        bucket = self._buckets.setdefault(number, {})
        known = bucket.get(key)
        last = Record.of(known) if known is not None else Record(key, 0, NOTHING)
        bucket[key] = Record(key, last.version + 1, next_chain(last.chain, leaf)).raw
        self._changed.add(number)

    def root(self) -> bytes:
        """Give the root over what was taken in."""
        if self._changed:
            self._tree.put(
                {n: bucket_hash(sorted(self._buckets[n].values())) for n in self._changed}
            )
            self._changed.clear()
        return self._tree.root
