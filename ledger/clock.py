"""The one place that reads the wall clock, so that everything else is given its time."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of the current instant (aware, UTC)."""

    def __call__(self) -> datetime:
        """Read the clock."""
        ...


def system_clock() -> datetime:
    """Read the machine's clock.

    Units: UTC. PostgreSQL keeps microseconds, so nothing is lost on the way.
    """
    return datetime.now(UTC)
