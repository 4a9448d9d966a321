"""What a webhook's request says: headers and body of one event. Pure."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from api.streaming.lines import StreamLine
from api.webhooks.sign import signatures
from ledger.events.entry import split_line

MAX_BODY_BYTES: Final = 20_000
"""What the Standard Webhooks advise; larger ones are sent without the event's data."""
TEST_TYPE: Final = "webhook.test"
_ENCODE: Final = msgspec.json.Encoder().encode


class _Told(Struct, frozen=True):
    """What is read of a line."""

    event_id: str
    recorded_at: str


_DECODE: Final = msgspec.json.Decoder(_Told).decode


class Message(Struct, frozen=True, kw_only=True):
    """One thing to send, the same at every attempt."""

    id: str
    type: str
    body: bytes

    def headers(self, keys: Iterable[bytes], timestamp_s: int) -> dict[str, str]:
        """Sign it."""
        return {
            "Content-Type": "application/json",
            "webhook-id": self.id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": signatures(keys, self.id, timestamp_s, self.body),
        }


def message_of(line: StreamLine) -> Message:
    """Make the message of an event."""
    told = _DECODE(line.line)
    body = _body(line.type, told.recorded_at, line.line)
    if len(body) > MAX_BODY_BYTES:
        href = f"/v1/events?after={line.position - 1}&limit=1"
        more = b',"omitted":true,"href":%b' % _ENCODE(href)
        body = _body(line.type, told.recorded_at, split_line(line.line).entry, more)
    return Message(id=told.event_id, type=line.type, body=body)


def ping(message: str, timestamp: str, name: str) -> Message:
    """Make the message that shows whether a webhook works."""
    data = _ENCODE({"webhook": name})
    return Message(id=message, type=TEST_TYPE, body=_body(TEST_TYPE, timestamp, data))


def _body(event_type: str, timestamp: str, data: bytes, more: bytes = b"") -> bytes:
    head: Any = {"type": event_type, "timestamp": timestamp}
    return b'%b,"data":%b%b}' % (_ENCODE(head)[:-1], data, more)
