"""How long open executions will still take, from their own progress and their jobs' history."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from projections.active import query as active
from projections.history import query as history
from projections.port import Pool


class Outlook(Struct, frozen=True, kw_only=True):
    """An open execution, and how long it will take."""

    row: active.ActiveRow
    percent: float | None
    """As told, or from the counts of items that were told."""
    typical_s: float | None
    """What its job takes typically; None when none of it ended ok yet."""
    left_s: float | None
    """From now to its end, once it has started; None when nothing tells."""


class OutlookPage(Struct, frozen=True, kw_only=True):
    """A page of open executions with their time left, newest first."""

    position: int
    items: tuple[Outlook, ...]
    next_before: int | None


def percent_of(row: active.ActiveRow) -> float | None:
    """Give the progress in percent, 0 to 100, if anything tells it."""
    percent = row.percent
    if percent is None and row.total_items and row.processed_items is not None:
        percent = 100.0 * row.processed_items / row.total_items
    return None if percent is None else min(100.0, max(0.0, percent))


def time_left(typical_s: float | None, elapsed_s: float, percent: float | None) -> float | None:
    """Estimate the time to the end.

    History alone tells `typical - elapsed`. Progress alone tells what the rest takes at the pace so
    far, and is trusted the more the further it has come: the two are mixed in the proportion of the
    percent told. Below one percent the pace is noise and history alone counts.

    Units: seconds; never negative. None when nothing tells.

    >>> time_left(100.0, 30.0, None), time_left(None, 30.0, 50.0), time_left(100.0, 30.0, 50.0)
    (70.0, 30.0, 50.0)
    """
    by_history = None if typical_s is None else max(0.0, typical_s - elapsed_s)
    if percent is None or percent < 1.0 or elapsed_s <= 0.0:
        return by_history
    by_pace = elapsed_s * (100.0 - percent) / percent
    if by_history is None:
        return by_pace
    weight = percent / 100.0
    return weight * by_pace + (1.0 - weight) * by_history


async def page(
    pool: Pool,
    *,
    organizations: Sequence[str] | None,
    now: datetime,
    job_id: str | None = None,
    statuses: Sequence[str] | None = None,
    before: int | None = None,
    limit: int = 50,
) -> OutlookPage:
    """List open executions with their time left, newest first; *before* as in `active.query.page`."""
    found = await active.page(
        pool,
        organizations=organizations,
        job_id=job_id,
        statuses=statuses,
        before=before,
        limit=limit,
    )
    jobs: defaultdict[str, set[str]] = defaultdict(set)
    for row in found.items:
        jobs[row.organization].add(row.job_id)
    typical = {
        (organization, name): duration_ms / 1000
        for organization, names in jobs.items()
        for name, duration_ms in (await history.estimate(pool, organization, sorted(names))).items()
    }
    items = tuple(
        _outlook(row, typical.get((row.organization, row.job_id)), now) for row in found.items
    )
    return OutlookPage(position=found.position, items=items, next_before=found.next_before)


def _outlook(row: active.ActiveRow, typical_s: float | None, now: datetime) -> Outlook:
    elapsed_s = max(0.0, (now - row.started_at).total_seconds()) if row.started_at else 0.0
    percent = percent_of(row)
    return Outlook(
        row=row,
        percent=percent,
        typical_s=typical_s,
        left_s=time_left(typical_s, elapsed_s, percent),
    )
