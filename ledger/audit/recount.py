"""The map of streams, counted again from the entries."""

from ledger.merkle.streams import (
    EMPTY_STREAMS_ROOT,
    NOTHING,
    Record,
    bucket_hash,
    bucket_of,
    key_of,
    next_chain,
    update_nodes,
)


class Recount:
    """A map that grows with each entry and gives its root whenever asked."""

    def __init__(self) -> None:
        self._buckets: dict[int, dict[bytes, bytes]] = {}
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._changed: set[int] = set()
        self._root = EMPTY_STREAMS_ROOT

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
            hashes = {n: bucket_hash(sorted(self._buckets[n].values())) for n in self._changed}
            fresh, self._root = update_nodes(self._nodes, hashes)
            self._nodes.update(fresh)
            self._changed.clear()
        return self._root
