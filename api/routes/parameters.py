"""Parameters that many routes take."""

from typing import Any, Final

from api.native import wire as w
from api.route import Query

LIMIT = Query(name="limit", description="Items a page holds at most.", type="integer")
AFTER = Query(name="after", description="Cursor of the page before.")
PAGE = (LIMIT, AFTER)
IF_MATCH = ("If-Match",)
MIN_POSITION = ("Ledger-Min-Position",)
EVENT_PAGE = (
    Query(name="after", description="Position to go on from, exclusive.", type="integer"),
    Query(name="limit", description="Events a page or a stream gives at most.", type="integer"),
    Query(name="wait", description="Seconds an empty page waits for events.", type="number"),
    Query(name="follow", description="Whether a stream goes on at the head.", type="boolean"),
)
EVENT_FORMS: Final[dict[str, Any]] = {
    "text/event-stream": str,
    "application/x-ndjson": w.EventView,
    "application/cloudevents-batch+json": list[w.CloudEvent],
    "application/cloudevents+json": w.CloudEvent,
}
