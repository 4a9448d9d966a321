"""Finds executions by what they carry; see `projections.executions.query` for what all queries have in common."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from ledger.executions.phase import Phase
from ledger.executions.state import ExecutionState
from ledger.store.queries import load
from projections.documents import criteria as k
from projections.documents.compile import Compiler
from projections.encoded import text
from projections.executions.projector import ExecutionsProjector
from projections.fold import DECODE
from projections.instants import HOUR, begin, whole
from projections.port import Connection, Pool
from projections.reading import listing

_SQL: Final = load(Path(__file__).parent / "sql" / "read.sql")
_NAME: Final = ExecutionsProjector.name
_VERSION: Final = ExecutionsProjector.version
_AFTER: Final = ("greater", "greater_or_equal")


class Found(Struct, frozen=True, kw_only=True):
    """A page of what was found, and how much was found in all."""

    position: int
    """The rows reflect the log up to here."""
    items: tuple[ExecutionState, ...]
    total: int


class Listing(Struct, frozen=True, kw_only=True):
    """What a list is narrowed down to; None: not asked for."""

    user: str | None = None
    storage_id: str | None = None
    job_ids: Sequence[str] | None = None
    phases: Sequence[Phase] | None = None
    any_tags: Sequence[str] | None = None
    all_tags: Sequence[str] | None = None
    depends_on: str | None = None


class ListPage(Struct, frozen=True, kw_only=True):
    """A page of a list, and where the next one begins."""

    position: int
    """The rows reflect the log up to here."""
    items: tuple[ExecutionState, ...]
    next_after: int | None
    """What to ask for next as `after`; None at the end."""
    total: int | None = None


def _scopes(organizations: Sequence[str] | None) -> list[str | None]:
    """Give the organizations to ask for one by one; nobody's when there are none."""
    if organizations is None:
        return [None]
    return [*sorted(set(organizations))] or [""]


async def find(
    pool: Pool,
    wanted: k.Criterion,
    *,
    organizations: Sequence[str] | None,
    offset: int = 0,
    limit: int = 10,
) -> Found:
    """Find executions, newest first, then by id.

    The cost of a page is that of what it skips and gives, where an index tells what matches. The
    total costs nothing more for criteria on phase, job, pipeline and creation; for others it is a
    count of what matches.
    """
    rows: list[Any] = []
    total = 0
    scopes = _scopes(organizations)
    skipped = offset if len(scopes) == 1 else 0
    async with listing(pool, _NAME, _VERSION) as connection:
        position = await connection.fetchval(_SQL["position"])
        for scope in scopes:
            total += await _total(connection, scope, wanted)
            compiler = Compiler(first=4)
            statement = _SQL["find"].replace(":condition", compiler.condition(wanted))
            rows += await connection.fetch(
                statement, scope, skipped, offset - skipped + limit, *compiler.parameters
            )
        rows.sort(key=lambda row: (row["created_ms"], row["oid"]), reverse=True)
        chosen = rows[offset - skipped :][:limit]
        items = tuple(DECODE(row["state"]) for row in chosen)
    return Found(position=position or 0, items=items, total=total)


async def _total(connection: Connection, scope: str | None, wanted: k.Criterion) -> int:
    window = _window(wanted)
    if window is None:
        return await _count(connection, scope, wanted)
    rest, lower, upper = window
    first = _first_whole_hour(lower) if lower is not None else None
    last = _hour_of(upper.value) if upper is not None else None
    if first is not None and last is not None and first >= last:
        return await _count(connection, scope, wanted)
    compiler = Compiler(first=4)
    statement = _SQL["add_up"].replace(":condition", compiler.condition(rest))
    total: int = await connection.fetchval(statement, scope, first, last, *compiler.parameters)
    if lower is not None and first is not None:
        until = k.InstantOrder("created_at", "less", first)
        total += await _count(connection, scope, k.Every((rest, lower, until)))
    if upper is not None and last is not None:
        since = k.InstantOrder("created_at", "greater_or_equal", last)
        total += await _count(connection, scope, k.Every((rest, upper, since)))
    return total


async def _count(connection: Connection, scope: str | None, wanted: k.Criterion) -> int:
    compiler = Compiler(first=2)
    statement = _SQL["count_found"].replace(":condition", compiler.condition(wanted))
    count: int = await connection.fetchval(statement, scope, *compiler.parameters)
    return count


def _hour_of(instant: datetime) -> datetime:
    return begin(HOUR, whole(HOUR, instant))


def _first_whole_hour(lower: k.InstantOrder) -> datetime:
    hour = _hour_of(lower.value)
    # What is later than an hour's beginning leaves out what came just then.
    on_it = hour == lower.value and lower.order == "greater_or_equal"
    return hour if on_it else hour + HOUR


def _window(
    wanted: k.Criterion,
) -> tuple[k.Criterion, k.InstantOrder | None, k.InstantOrder | None] | None:
    """Split criteria that the counts can answer into what they say of creation, and the rest."""
    lower: k.InstantOrder | None = None
    upper: k.InstantOrder | None = None
    rest: list[k.Criterion] = []
    for part in _parts(wanted):
        if isinstance(part, k.InstantOrder) and part.column == "created_at":
            # The narrower of two bounds counts; of equal ones that which leaves its instant out.
            if part.order in _AFTER:
                strict = part.order == "greater"
                if lower is None or (part.value, strict) > (
                    lower.value,
                    lower.order == "greater",
                ):
                    lower = part
            elif upper is None or (part.value, part.order == "less_or_equal") < (
                upper.value,
                upper.order == "less_or_equal",
            ):
                upper = part
        elif _is_counted(part):
            rest.append(part)
        else:
            return None
    return k.Every(tuple(rest)), lower, upper


def _parts(wanted: k.Criterion) -> list[k.Criterion]:
    if isinstance(wanted, k.Every):
        return [part for inner in wanted.of for part in _parts(inner)]
    return [wanted]


def _is_counted(wanted: k.Criterion) -> bool:
    match wanted:
        case k.InPhase():
            return True
        case k.TextIn() | k.TextHolds() | k.TextOrder():
            return wanted.column in ("job_id", "pipeline_id")
        case k.Every() | k.Some():
            return all(_is_counted(part) for part in wanted.of)
        case k.Not():
            return _is_counted(wanted.of)
        case _:
            return False


async def page(
    pool: Pool,
    *,
    organizations: Sequence[str] | None,
    wanted: Listing = Listing(),  # noqa: B008 - frozen
    descending: bool = False,
    after: int | None = None,
    limit: int = 50,
    with_total: bool = False,
) -> ListPage:
    """List executions in the order in which they were recorded, or against it.

    *after* is the previous page's `next_after`. What is added meanwhile comes behind an ascending
    list's end and before a descending one's beginning, so no page repeats or misses anything.
    """
    told = _arguments(wanted)
    statement = _SQL["list_down" if descending else "list_up"]
    rows: list[Any] = []
    total: int | None = None
    async with listing(pool, _NAME, _VERSION) as connection:
        position = await connection.fetchval(_SQL["position"])
        for scope in _scopes(organizations):
            rows += await connection.fetch(statement, scope, *told, after, limit + 1)
            if with_total:
                total = (total or 0) + await _listed(connection, scope, wanted)
        rows.sort(key=lambda row: row["created_position"], reverse=descending)
        items = tuple(DECODE(row["state"]) for row in rows[:limit])
    more = len(rows) > limit
    return ListPage(
        position=position or 0,
        items=items,
        next_after=rows[limit - 1]["created_position"] if more else None,
        total=total,
    )


async def _listed(connection: Connection, scope: str | None, wanted: Listing) -> int:
    counted = Listing(job_ids=wanted.job_ids, phases=wanted.phases)
    told = _arguments(wanted)
    if wanted == counted:
        statement, parameters = _SQL["add_up_listed"], [told[2], told[3]]
    else:
        statement, parameters = _SQL["count_listed"], told
    count: int = await connection.fetchval(statement, scope, *parameters)
    return count


def _arguments(wanted: Listing) -> list[Any]:
    """Lay a filter out as parameters 2 to 8 of the list statements."""
    return [
        wanted.user,
        wanted.storage_id,
        wanted.job_ids,
        wanted.phases,
        wanted.any_tags and [text(tag) for tag in wanted.any_tags],
        [text(tag) for tag in wanted.all_tags] if wanted.all_tags else None,
        wanted.depends_on,
    ]
