"""Which events a projector is given, and which of them it cannot be given.

An event whose data cannot be read counts as the event's fault: its stream is set aside, like one whose
event cannot be applied. An event of an unknown type may mean anything for its stream, so it concerns
every projector that follows streams of that kind. Projectors that read envelopes alone go on over all
of them.
"""

from collections.abc import Sequence
from typing import Final

from ledger.events.codec import TYPES
from ledger.events.envelope import Unreadable
from ledger.store.port import AnyRecorded
from projections.port import Projector

ENVELOPES_ONLY: Final = frozenset(("rates", "tree"))
"""Projectors that never look at an event's data, by name."""
_KINDS: Final = {"step": "execution", "report": "execution"}
"""Kinds of streams, where the first word of an event's type is another."""


def is_followed(projector: Projector, event: AnyRecorded) -> bool:
    """Whether an event concerns a projector."""
    interests = projector.interests
    if interests is None or event.type in interests:
        return True
    if event.type in TYPES or projector.name in ENVELOPES_ONLY:
        return False
    kind = event.stream.partition("/")[0]
    return any(_kind_of(interest) == kind for interest in interests)


def followed(projector: Projector, events: Sequence[AnyRecorded]) -> list[AnyRecorded]:
    """Pick the events that concern a projector, in their order; see `is_followed`.

    Most are decided by their type alone, without a call for each: every view looks at every event.
    """
    interests = projector.interests
    if interests is None:
        return list(events)
    return [
        event
        for event in events
        if event.type in interests or (event.type not in TYPES and is_followed(projector, event))
    ]


def require_readable(projector: Projector, events: Sequence[AnyRecorded]) -> None:
    """Refuse a batch in which something is wanted that cannot be read.

    Raises:
        Corrupt: the first such event's reason.
    """
    if projector.name in ENVELOPES_ONLY:
        return
    for event in events:
        if isinstance(event.event, Unreadable):
            raise event.event.error


def _kind_of(event_type: str) -> str:
    word = event_type.partition(".")[0]
    return _KINDS.get(word, word)
