"""An event in one line, for people."""

from collections.abc import Mapping
from typing import Any, Final

from api.cli import printing
from api.native.wire import EventView

_STYLES: Final[Mapping[str, str]] = {
    "execution.finished": "bold",
    "execution.canceled": "red",
    "execution.lease_lost": "yellow",
    "report.refused": "yellow",
    "step.progressed": "dim",
    "execution.progressed": "dim",
}
_BAR_WIDTH: Final = 20
_MAX_WORDS: Final = 120


def event_line(event: EventView, subject: str = "") -> str:
    """Say in one line of markup what happened; *subject* replaces the stream's name."""
    style = _STYLES.get(event.type, "")
    kind = f"[{style}]{event.type:<24}[/{style}]" if style else f"{event.type:<24}"
    about = printing.plain(subject or short(event.stream))
    at = printing.clock_time(event.recorded_at)
    return f"{event.position:>7} {at} {about:<22} {kind} {words(event)}".rstrip()


def short(stream: str) -> str:
    """Shorten a stream's name to what tells it apart."""
    kind, _, name = stream.partition("/")
    return f"{kind} {name[-12:]}" if kind in {"execution", "key"} else name.rpartition("/")[2]


def bar(percent: float) -> str:
    """Draw how far something has come.

    >>> bar(40)
    '━━━━━━━━············  40 %'
    """
    filled = round(min(max(percent, 0.0), 100.0) * _BAR_WIDTH / 100)
    return f"{'━' * filled}{'·' * (_BAR_WIDTH - filled)} {percent:>3.0f} %"


def words(event: EventView) -> str:
    """Say the part of an event's data that a reader looks for."""
    if event.data is None:
        return "(erased)"
    data = event.data if isinstance(event.data, dict) else {}
    return " ".join(part for part in _parts(event.type, data) if part)


def _parts(kind: str, data: Mapping[str, Any]) -> list[str]:
    step = f"step {data['index']}" if "index" in data else ""
    end = printing.styled(str(data["outcome"])) if "outcome" in data else ""
    code = printing.plain(data.get("exit_code", ""))
    match kind:
        case "execution.created":
            return [f"{printing.plain(data.get('job_id', ''))}, {len(data.get('steps', []))} steps"]
        case "execution.started":
            worker = data.get("worker", "")
            attempt = data.get("attempt", 1)
            return [
                f"by {printing.plain(worker)}" if worker else "",
                f"attempt {attempt}" if attempt > 1 else "",
            ]
        case "step.progressed" | "execution.progressed":
            return [step, _progress(data.get("progress", {}))]
        case "step.finished" | "execution.finished":
            return [step, end, code, _message(data), _counters(data.get("progress", {}))]
        case "execution.output_set":
            attachments = data.get("attachments") or []
            return [", ".join(printing.plain(a.get("name", "")) for a in attachments)]
        case "execution.lease_lost" | "execution.retry_scheduled":
            return [printing.plain(data.get("reason", ""))]
        case _:
            return [step, _message(data)]


def _message(data: Mapping[str, Any]) -> str:
    text = str(data.get("message") or data.get("reason") or "").replace("\n", " ")
    return printing.plain(text if len(text) <= _MAX_WORDS else f"{text[: _MAX_WORDS - 1]}…")


def _progress(progress: Mapping[str, Any]) -> str:
    percent = progress.get("percent")
    parts = [] if percent is None else [bar(float(percent))]
    if (text := _counters(progress)) and len(text) <= _MAX_WORDS:
        parts.append(text)
    if message := progress.get("message"):
        parts.append(printing.plain(message)[:_MAX_WORDS])
    return " ".join(parts)


def _counters(progress: Mapping[str, Any] | None) -> str:
    counters = (progress or {}).get("counters") or {}
    return " ".join(f"{printing.plain(name)}={value}" for name, value in counters.items())
