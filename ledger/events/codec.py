"""Stored names to classes and back, and the exact bytes that are stored.

Unknown fields are ignored on reading: an older process can read what a newer one added. An unknown
type is an error, because guessing what it does to a state would be worse than stopping.
"""

from enum import IntEnum
from typing import Final, TypeAlias

import msgspec

from ledger.errors import UndecodableEvent, UnknownEventType
from ledger.events import executions as x
from ledger.events import jobs as j
from ledger.events import keys as k

Event: TypeAlias = x.ExecutionEvent | j.JobEvent | k.KeyEvent


class Counter(IntEnum):
    """Which ledger-wide counter gives an event its `number`."""

    NONE = 0
    EXECUTION = 1
    STEP = 2
    JOB = 3


TYPES: Final[dict[str, type[Event]]] = {
    "job.defined": j.JobDefined,
    "job.changed": j.JobChanged,
    "job.schedule_set": j.JobScheduleSet,
    "job.schedule_cleared": j.JobScheduleCleared,
    "job.schedule_skipped": j.JobScheduleSkipped,
    "job.schedule_fired": j.JobScheduleFired,
    "job.follow_skipped": j.JobFollowSkipped,
    "job.retired": j.JobRetired,
    "execution.created": x.ExecutionCreated,
    "execution.scheduled": x.ExecutionScheduled,
    "execution.released": x.ExecutionReleased,
    "execution.started": x.ExecutionStarted,
    "execution.progressed": x.ExecutionProgressed,
    "execution.pause_requested": x.PauseRequested,
    "execution.paused": x.ExecutionPaused,
    "execution.resumed": x.ExecutionResumed,
    "execution.cancel_requested": x.CancelRequested,
    "execution.canceled": x.ExecutionCanceled,
    "execution.lease_lost": x.LeaseLost,
    "execution.retry_scheduled": x.RetryScheduled,
    "execution.finished": x.ExecutionFinished,
    "execution.described": x.ExecutionDescribed,
    "execution.output_set": x.OutputSet,
    "execution.deleted": x.ExecutionDeleted,
    "execution.erased": x.ExecutionErased,
    "step.started": x.StepStarted,
    "step.progressed": x.StepProgressed,
    "step.finished": x.StepFinished,
    "report.refused": x.ReportRefused,
    "key.created": k.KeyCreated,
    "key.revoked": k.KeyRevoked,
    "key.looked_across": k.KeyLookedAcross,
}

SCHEMA_VERSION: Final = 1

_NAMES: Final[dict[type, str]] = {cls: name for name, cls in TYPES.items()}
CLOSING_TYPES: Final = frozenset(_NAMES[cls] for cls in x.CLOSING)
"""The names of what ends an execution's life."""
_COUNTERS: Final[dict[type, Counter]] = {
    x.ExecutionCreated: Counter.EXECUTION,
    x.StepStarted: Counter.STEP,
    j.JobDefined: Counter.JOB,
}
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_DECODERS: Final = {name: msgspec.json.Decoder(cls) for name, cls in TYPES.items()}


def type_of(event: Event) -> str:
    """Give the stored name of an event's type."""
    return _NAMES[type(event)]


def counter_of(event: Event) -> Counter:
    """Tell which counter numbers this event, if one does."""
    return _COUNTERS.get(type(event), Counter.NONE)


def encode(event: Event) -> bytes:
    """Make the bytes that are digested and stored."""
    return _ENCODER.encode(event)


def decode(event_type: str, schema_version: int, data: bytes, *, position: int = 0) -> Event:
    """Read stored bytes back.

    Raises:
        UnknownEventType: the log was written by a newer version; upgrade this process.
        UndecodableEvent: the bytes do not fit the type; an operator must look.
    """
    decoder = _DECODERS.get(event_type)
    if decoder is None or schema_version != SCHEMA_VERSION:
        raise UnknownEventType(event_type, schema_version)
    try:
        return decoder.decode(data)
    except msgspec.DecodeError as error:
        raise UndecodableEvent(event_type, position, str(error)) from error
