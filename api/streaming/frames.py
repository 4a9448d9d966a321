"""The forms in which lines are sent. Pure: lines in, bytes out.

Lines are put into their frames as they are, never decoded and encoded again.

    page                       {"events":[line,…],"next_after":N,"head":N}
    text/event-stream          id: position, event: type, data: line
    application/x-ndjson       a line, and a newline
    cloudevents-batch+json     [{…,"data":line},…]

A stream says how far it has looked, so that a cursor moves on where a filter lets little through.
In SSE that is a frame with an id and no data: by the standard it sets the id that a client resumes
from, and dispatches no event. In NDJSON it is a line with the one key `heartbeat`, which no event
has.

Sources: the HTML standard, section 9.2.6 (interpreting an event stream); CloudEvents 1.0.2, and its
JSON format's batch; its `sequence` extension, which is compared as text.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

from api.streaming.lines import StreamLine, encode_lines, stream_lines

SOURCE: Final = b"/v1/events"
"""Of every CloudEvent: the log. Event ids are unique wherever they are read."""
_EVENT_ID: Final = b',"event_id":'
_OCCURRED_AT: Final = b',"occurred_at":'
_STREAM: Final = b',"stream":'
_TYPE: Final = b',"type":'


class StreamForm(Protocol):
    """How an endless answer carries lines."""

    name: str
    content_type: str

    def opening(self, retry_ms: int) -> bytes:
        """Make what a stream begins with; a client waits *retry_ms* before it comes back."""
        ...

    def frame(self, line: StreamLine) -> bytes:
        """Make one event's frame."""
        ...

    def frames(self, records: Sequence[Any]) -> bytes:
        """Make the frames of rows of the log, joined."""
        ...

    def heartbeat(self, scanned_through: int, head: int) -> bytes:
        """Say that the stream lives, and how far the log was looked through for it."""
        ...


class Sse:
    """Server-sent events."""

    name = "sse"
    content_type = "text/event-stream"

    def opening(self, retry_ms: int) -> bytes:
        """Say how long to wait before coming back."""
        return b"retry: %d\n\n" % retry_ms

    def frame(self, line: StreamLine) -> bytes:
        """Make one event's frame; lines hold no line breaks."""
        return b"id: %d\nevent: %b\ndata: %b\n\n" % (
            line.position,
            _one_word(line.type),
            line.line,
        )

    def frames(self, records: Sequence[Any]) -> bytes:
        """Make the frames of rows."""
        return b"".join([self.frame(line) for line in stream_lines(records)])

    def heartbeat(self, scanned_through: int, head: int) -> bytes:
        """Make a comment, for whoever waits for bytes, and an id without data."""
        return b": head %d\nid: %d\n\n" % (head, scanned_through)


class Ndjson:
    """One JSON text a line."""

    name = "ndjson"
    content_type = "application/x-ndjson"

    def opening(self, retry_ms: int) -> bytes:  # noqa: ARG002 - the form has no place for it
        """Begin with nothing."""
        return b""

    def frame(self, line: StreamLine) -> bytes:
        """End a line."""
        return b"%b\n" % line.line

    def frames(self, records: Sequence[Any]) -> bytes:
        """Make the lines of rows."""
        return encode_lines(records)

    def heartbeat(self, scanned_through: int, head: int) -> bytes:
        """Make a line that is no event."""
        return b'{"heartbeat":{"scanned_through":%d,"head":%d}}\n' % (scanned_through, head)


SSE: Final = Sse()
NDJSON: Final = Ndjson()


@lru_cache(maxsize=256)
def _one_word(event_type: str) -> bytes:
    """Encode a type's name so that it cannot end its field, whatever the log holds."""
    return "".join(event_type.split()).encode()


def http_chunk(payload: bytes) -> bytes:
    """Frame bytes as one chunk of an HTTP/1.1 body; they must not be empty."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def json_page(lines: Iterable[bytes], next_after: int, head: int) -> bytes:
    """Make a page: the lines as an array, and where to go on."""
    return b'{"events":[%b],"next_after":%d,"head":%d}' % (b",".join(lines), next_after, head)


def cloud_event(line: StreamLine) -> bytes:
    """Wrap a line as a CloudEvent in the JSON format; texts are taken from the line as they are."""
    told = line.line
    return (
        b'{"specversion":"1.0","id":%b,"source":"%b","type":%b,"subject":%b,"time":%b,'
        b'"sequence":"%020d","datacontenttype":"application/json","data":%b}'
    ) % (
        _text_behind(told, _EVENT_ID),
        SOURCE,
        _text_behind(told, _TYPE),
        _text_behind(told, _STREAM),
        _text_behind(told, _OCCURRED_AT),
        line.position,
        told,
    )


def cloud_batch(lines: Iterable[StreamLine]) -> bytes:
    """Make a batch of CloudEvents."""
    return b"[%b]" % b",".join(map(cloud_event, lines))


def _text_behind(line: bytes, key: bytes) -> bytes:
    """Cut a text with its quotation marks out of a line.

    A quotation mark within a text has a backslash before it, so the first place that looks like the
    key is the key, and the first mark behind no backslash, or an even number of them, ends the text.
    """
    start = line.index(key) + len(key)
    end = line.index(b'"', start + 1)
    while (end - len(line[start:end].rstrip(b"\\")) - start) % 2:
        end = line.index(b'"', end + 1)
    return line[start : end + 1]
