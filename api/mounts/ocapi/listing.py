"""Search executions, and list a job's.

What a database can check alone it searches, sorts and counts; anything else is checked here on
narrow rows, a bounded number of them.
"""

from typing import Any, Final
from uuid import UUID

from aiohttp import web
from msgspec import UNSET, structs

from api.dialects.ocapi.body import is_text
from api.dialects.ocapi.errors import Fault, job_not_found
from api.dialects.ocapi.matching import Facts, Narrowed, matches, narrow
from api.dialects.ocapi.render import execution_document
from api.dialects.ocapi.search import All, Field, Search, Term, parse_page, parse_search
from api.dialects.ocapi.wire import JobExecutionDocument, ListDocument, SearchDocument
from api.mounts.ocapi.answers import answer
from api.mounts.ocapi.incoming import Incoming
from ledger.handle.jobs import definition_of
from projections.executions.several import by_uuids
from projections.history import search as history

MAX_SCANNED: Final = 200_000
PAGE: Final = "result_page"


async def search(incoming: Incoming) -> web.Response:
    """Search executions."""
    wanted = parse_search(await incoming.document())
    hits, total = await _find(incoming, wanted)
    return answer(
        incoming.request,
        SearchDocument(
            v=incoming.version.text,
            count=len(hits),
            hits=hits or UNSET,
            next=_page(wanted.start + wanted.count, wanted.count, total),
            previous=_page(wanted.start - wanted.count, wanted.count, total, wanted.start),
            query=wanted.query,
            start=wanted.start,
            total=total,
        ),
    )


async def list_executions(incoming: Incoming) -> web.Response:
    """List a job's executions, newest first."""
    call = incoming.call
    job_id = incoming.path("job_id")
    query = incoming.request.query
    start, count = parse_page(query.get("start"), query.get("count"))
    if not is_text(job_id):
        raise job_not_found("")
    wanted = Search(
        condition=All((Term("job_id", "is", (job_id,)),)),
        query=None,
        sorts=(),
        start=start,
        count=count,
    )
    data, total = await _find(incoming, wanted)
    if (
        not total
        and definition_of(await call.node.jobs.read(call.organization, job_id, fresh=True)) is None
    ):
        raise job_not_found(job_id)
    return answer(
        incoming.request,
        ListDocument(
            v=incoming.version.text,
            count=len(data),
            data=data,
            next=_page(start + count, count, total),
            previous=_page(start - count, count, total, start),
            start=start,
            total=total,
        ),
    )


def _page(start: int, count: int, total: int, before: int | None = None) -> Any:
    """Name a neighbouring page, if there is one."""
    if before is not None:  # the previous one, which begins at 0 at the latest
        return (
            {"_type": PAGE, "count": min(count, before), "start": max(start, 0)}
            if before
            else UNSET
        )
    return {"_type": PAGE, "count": count, "start": start} if start < total else UNSET


async def _find(incoming: Incoming, wanted: Search) -> tuple[tuple[JobExecutionDocument, ...], int]:
    call = incoming.call
    await call.node.covered("executions", call.minimum_position)
    narrowed = narrow(wanted.condition)
    if narrowed.is_all and len(wanted.sorts) <= 1:
        sort = wanted.sorts[0] if wanted.sorts else None
        hits = await history.page(
            call.node.store.pool,
            organizations=call.readable,
            wanted=_conditions(narrowed),
            sort=sort.field if sort else "id",
            descending=sort.descending if sort else True,
            start=wanted.start,
            count=wanted.count,
        )
        uuids, total = hits.uuids, hits.total
    else:
        uuids, total = await _scan(incoming, wanted, narrowed)
    states = await by_uuids(call.node.store.pool, uuids, organizations=call.readable)
    documents = tuple(execution_document(state, incoming.version, alone=False) for state in states)
    return documents, total


def _conditions(narrowed: Narrowed) -> history.Conditions:
    told = {name: value for name, value in structs.asdict(narrowed).items() if name != "is_all"}
    return history.Conditions(**told)


async def _scan(
    incoming: Incoming, wanted: Search, narrowed: Narrowed
) -> tuple[tuple[UUID, ...], int]:
    """Look through all that may match.

    Raises:
        Fault: there is too much to look through.
    """
    call = incoming.call
    found: list[tuple[UUID, Facts]] = []
    seen = 0
    pages = history.scan(
        call.node.store.pool, organizations=call.readable, wanted=_conditions(narrowed)
    )
    async for rows in pages:
        seen += len(rows)
        if seen > MAX_SCANNED:
            raise Fault(
                400,
                "SearchTooBroadException",
                "Too many executions would have to be looked through; narrow the search down.",
                limit=MAX_SCANNED,
            )
        for row in rows:
            facts = _facts(row)
            if matches(wanted.condition, facts):
                found.append((row.uuid, facts))
    found.sort(key=lambda item: -_number(item[1]))
    for sort in reversed(wanted.sorts):
        _sort(found, sort.field, descending=sort.descending)
    page = found[wanted.start : wanted.start + wanted.count]
    return tuple(uuid for uuid, _ in page), len(found)


def _number(facts: Facts) -> int:
    value = facts["id"]
    return value if isinstance(value, int) else 0


def _sort(found: list[tuple[UUID, Facts]], field: Field, *, descending: bool) -> None:
    """Sort by one field, keeping the order of equal ones; what has no value comes last."""
    there = [item for item in found if item[1][field] is not None]
    absent = [item for item in found if item[1][field] is None]

    def key(item: tuple[UUID, Facts]) -> Any:
        return item[1][field]

    there.sort(key=key, reverse=descending)
    found[:] = [*there, *absent]


def _facts(row: history.Row) -> Facts:
    return {
        "id": row.number,
        "job_id": row.job_id,
        "status": row.word,
        "start_time": row.started_at,
        "end_time": row.ended_at,
    }
