"""Measurements of one process, for Prometheus. Labels are few and bounded: no ids, no paths."""

from collections import Counter as Tally
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

from api.node import Node
from api.streaming.frames import NDJSON, SSE
from ledger.errors import Unavailable
from projections.status import status

MAX_CONSUMERS: Final = 100


class Metrics:
    """The measurements and where they are kept."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "jobledger_http_requests_total",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "jobledger_http_request_seconds",
            "Time from request to answer, waits included.",
            ("route",),
            registry=self.registry,
            buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60),
        )
        self._counted: Tally[str] = Tally()
        # `labels` takes a lock and builds a key; there are few combinations.
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.connections = Gauge(
            "jobledger_http_connections", "Connections open.", registry=self.registry
        )
        self.head = Gauge(
            "jobledger_head_position", "Highest committed position.", registry=self.registry
        )
        self.waiting = Gauge(
            "jobledger_appends_waiting", "Appends that wait for a batch.", registry=self.registry
        )
        self.batches = Gauge(
            "jobledger_append_batches", "Batches committed.", registry=self.registry
        )
        self.lag = Gauge(
            "jobledger_projection_lag_positions",
            "Positions a projection is behind the head.",
            ("projection",),
            registry=self.registry,
        )
        self.streams = Gauge(
            "jobledger_streams_open", "Streams of events open.", ("form",), registry=self.registry
        )
        self.frames = Counter(
            "jobledger_stream_frames_sent_total",
            "Events sent to streams, each client counted.",
            ("form",),
            registry=self.registry,
        )
        self.cut = Counter(
            "jobledger_streams_cut_total",
            "Streams closed because their client did not read.",
            registry=self.registry,
        )
        self.ring = Gauge(
            "jobledger_stream_ring_position",
            "Newest position that was read for streams.",
            registry=self.registry,
        )
        self.quarantined = Gauge(
            "jobledger_projection_quarantined_streams",
            "Streams a projection could not take in.",
            ("projection",),
            registry=self.registry,
        )

        self.signed = Gauge(
            "jobledger_tree_signed_position",
            "Position up to which a head of the tree is signed.",
            registry=self.registry,
        )
        self.inconsistent = Gauge(
            "jobledger_tree_inconsistent",
            "1 when the tree contradicts a head that was signed: somebody changed the past.",
            registry=self.registry,
        )
        self.consumer_lag = Gauge(
            "jobledger_consumer_lag_positions",
            "Positions a durable consumer is behind the head.",
            ("consumer",),
            registry=self.registry,
        )
        self.consumer_out = Gauge(
            "jobledger_consumer_shards_out",
            "Shards of which a consumer's members hold events.",
            ("consumer",),
            registry=self.registry,
        )
        self.consumer_aside = Gauge(
            "jobledger_consumer_streams_set_aside",
            "Streams that are parked, or tried again later.",
            ("consumer", "state"),
            registry=self.registry,
        )

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; *method* and *route* are of a bounded set."""
        key = (method, route, status)
        known = self._children.get(key)
        if known is None:
            known = self._children[key] = (
                self.requests.labels(method, route, str(status)),
                self.seconds.labels(route),
            )
        counter, histogram = known
        counter.inc()
        histogram.observe(seconds)

    async def render(self, node: Node, organizations: Sequence[str] | None) -> tuple[bytes, str]:
        """Read what is measured on demand, and give the text and its content type.

        Consumers bear names, so only those of the caller's *organizations* are shown.
        """
        head = node.store.tail.head
        self.head.set(head)
        self.waiting.set(node.store.appender.waiting)
        self.batches.set(node.store.appender.batches)
        self.signed.set(node.signer.newest.size if node.signer.newest else 0)
        self.inconsistent.set(node.signer.standing.state == "inconsistent")
        self._read_streams(node)
        # Without the database the process's own measurements are still good.
        with suppress(Unavailable):
            for live in await status(node.store.pool, head):
                if live.generation == "live":
                    self.lag.labels(live.name).set(live.lag)
                    self.quarantined.labels(live.name).set(live.quarantined)
            await self._measure_consumers(node, head, organizations)
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_1_0_0

    def _read_streams(self, node: Node) -> None:
        streams, sent = node.hub.streams, node.hub.frames_sent
        for form in (SSE.name, NDJSON.name):
            self.streams.labels(form).set(streams[form])
            self.frames.labels(form).inc(sent[form] - self._counted[form])
            self._counted[form] = sent[form]
        self.cut.inc(node.hub.cut - self._counted["cut"])
        self._counted["cut"] = node.hub.cut
        self.ring.set(node.hub.ring.top)

    async def _measure_consumers(
        self, node: Node, head: int, organizations: Sequence[str] | None
    ) -> None:
        """Measure the consumers that were made first; more would be too many labels."""
        measured = await node.consumers.measured(organizations, MAX_CONSUMERS)
        # From here to the end of `render` nothing waits, so no other caller's come between.
        for gauge in (self.consumer_lag, self.consumer_out, self.consumer_aside):
            gauge.clear()
        for name, standing in measured:
            self.consumer_lag.labels(name).set(max(0, head - standing.done))
            self.consumer_out.labels(name).set(standing.shards_out)
            self.consumer_aside.labels(name, "parked").set(standing.parked)
            self.consumer_aside.labels(name, "retrying").set(standing.retrying)


METRICS: Final = web.AppKey("metrics", Metrics)
