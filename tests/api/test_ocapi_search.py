"""Searching executions, listing a job's, and reading log files, over HTTP."""

from itertools import product
from typing import Any, Final

from api.dialects.ocapi.search import FIELDS
from tests.api.ocapi import DATA, LATER, basic, client, executions, fault
from tests.api.serving import Caller, Server

SEARCH = f"{LATER}/job_execution_search"
JOBS = ("Alpha", "Beta")


async def filled(server: Server) -> list[Any]:
    """Make six executions: three of each job; the first of each ended."""
    made = []
    for job_id in JOBS:
        await server.define(job_id)
        made.extend([(await server.post(executions(job_id))).expect(200).json for _ in range(3)])
    for lease, code in zip(await server.claim(limit=2), ("OK", "ODD"), strict=True):
        await server.report(
            lease,
            {"type": "step.started", "index": 1},
            {"type": "step.finished", "index": 1, "outcome": "ok", "log": "line one\nline two"},
        )
        await server.finish(lease, exit_code=code)
    return made


async def ids(caller: Caller, query: Any, **more: Any) -> list[int]:
    """Search, and give the places of what was found (1 is the first that was made)."""
    found = (await caller.post(SEARCH, {"query": query, **more})).expect(200).json
    assert found["count"] == len(found.get("hits", []))
    return [int(hit["id"]) for hit in found.get("hits", [])]


def term(field: str, operator: str, *values: Any) -> Any:
    """Make a term query."""
    return {"term_query": {"fields": [field], "operator": operator, "values": list(values)}}


async def test_a_search_pages_through_what_it_finds(server: Server) -> None:
    """The answer says what was asked, how much there is, and where its neighbours are."""
    await filled(server)
    body = {
        "query": {"match_all_query": {}},
        "count": 4,
        "sorts": [{"field": "id", "sort_order": "asc"}],
    }
    first = (await server.post(SEARCH, body)).expect(200).json
    assert list(first) == ["_v", "_type", "count", "hits", "next", "query", "start", "total"]
    assert (first["_v"], first["_type"]) == ("23.2", "job_execution_search_result")
    assert (first["count"], first["start"], first["total"]) == (4, 0, 6)
    assert first["query"] == {"match_all_query": {"_type": "match_all_query"}}
    assert first["next"] == {"_type": "result_page", "count": 4, "start": 4}
    assert list(first["hits"][0])[:2] == ["_type", "_resource_state"]
    second = (await server.post(SEARCH, {**body, "start": 4})).expect(200).json
    assert "next" not in second
    assert second["previous"] == {"_type": "result_page", "count": 4, "start": 0}
    told = [hit["id"] for page in (first, second) for hit in page["hits"]]
    assert told == sorted(told, key=int)
    assert len(set(told)) == 6
    beyond = (await server.post(SEARCH, {**body, "start": 50})).expect(200).json
    assert (beyond["count"], beyond["total"]) == (0, 6)
    assert "hits" not in beyond


async def test_every_kind_of_query_and_filter(server: Server) -> None:
    """Terms, texts, ranges and their combinations find what they say, nested as one likes."""
    made = await filled(server)
    numbers = [int(document["id"]) for document in made]
    newest = sorted(numbers, reverse=True)
    everything: Any = {"match_all_query": {}}
    alpha, beta = set(numbers[:3]), set(numbers[3:])
    closed = [int(hit) for hit in await ids(server, term("status", "one_of", "OK", "ODD"))]
    assert len(closed) == 2
    assert await ids(server, everything) == newest
    assert set(await ids(server, term("job_id", "is", "Alpha"))) == alpha
    assert set(await ids(server, term("job_id", "one_of", "Alpha", "Nope"))) == alpha
    assert set(await ids(server, term("job_id", "neq", "Alpha"))) == beta
    assert set(await ids(server, term("job_id", "not_in", "Alpha", "Beta"))) == set()
    assert set(await ids(server, term("end_time", "is_not_null"))) == set(closed)
    assert set(await ids(server, term("end_time", "is_null"))) == set(numbers) - set(closed)
    assert set(await ids(server, term("id", "less", numbers[2]))) == set(numbers[:2])
    assert set(await ids(server, term("id", "greater", str(numbers[4])))) == {numbers[5]}
    assert await ids(server, term("id", "is", str(numbers[1]))) == [numbers[1]]
    start = made[0]["start_time"]
    assert numbers[0] in await ids(server, term("start_time", "is", start))
    assert numbers[0] not in await ids(server, term("start_time", "greater", start))
    text = {"text_query": {"fields": ["job_id", "status"], "search_phrase": "bet"}}
    assert set(await ids(server, text)) == beta
    both = {
        "bool_query": {
            "must": [term("job_id", "is", "Beta")],
            "should": [term("status", "is", "RUNNING"), term("status", "is", "OK")],
            "must_not": term("id", "is", numbers[5]),
        }
    }
    assert set(await ids(server, both)) <= beta - {numbers[5]}

    async def filtered(condition: Any) -> set[int]:
        query = {"filtered_query": {"query": everything, "filter": condition}}
        return set(await ids(server, query))

    by_job = {"term_filter": {"field": "job_id", "operator": "is", "values": ["Alpha"]}}
    span = {"range_filter": {"field": "start_time", "from": start, "to": made[5]["start_time"]}}
    assert await filtered(by_job) == alpha
    assert await filtered(span) == set(numbers)
    narrow = {"range_filter": {"field": "start_time", "from": start, "from_inclusive": False}}
    assert numbers[0] not in await filtered(narrow)
    by_id = {
        "range_filter": {"field": "id", "from": numbers[1], "to": numbers[3], "to_inclusive": False}
    }
    assert await filtered(by_id) == set(numbers[1:3])
    for operator, wanted in (("and", alpha), ("or", set(numbers)), ("not", set())):
        told = {"bool_filter": {"operator": operator, "filters": [by_job, span]}}
        assert await filtered(told) == wanted
    assert await filtered({"query_filter": {"query": term("job_id", "is", "Beta")}}) == beta


async def test_sorting_is_the_same_by_either_way(server: Server) -> None:
    """What the database sorts is sorted as what is sorted here; what has no value comes last."""
    await filled(server)
    for field, order in product(FIELDS, ("asc", "desc")):
        sorts = [{"field": field, "sort_order": order}]
        everything: Any = {"match_all_query": {}}
        quick = await ids(server, everything, sorts=sorts)
        slow = await ids(server, term("id", "greater", 0), sorts=sorts)
        assert quick == slow
        assert len(quick) == 6
        more = [*sorts, {"field": "id", "sort_order": "asc"}]
        assert sorted(await ids(server, everything, sorts=more)) == sorted(quick)


BAD_SEARCHES: Final[Any] = (
    ({}, "PropertyConstraintViolationException"),
    ({"query": {}}, "PropertyConstraintViolationException"),
    ({"query": {"nonsense": {}}}, "UnknownPropertyException"),
    ({"query": {"match_all_query": {}}, "nonsense": 1}, "UnknownPropertyException"),
    ({"query": {"match_all_query": {}}, "count": 201}, "PropertyConstraintViolationException"),
    ({"query": {"match_all_query": {}}, "start": -1}, "PropertyConstraintViolationException"),
    (
        {"query": {"match_all_query": {}}, "sorts": [{"field": "user"}]},
        "FieldNotSortableException",
    ),
    (
        {"query": {"match_all_query": {}}, "sorts": [{"field": "id", "sort_order": "up"}]},
        "EnumConstraintViolationException",
    ),
    ({"query": term("id", "like", 1)}, "EnumConstraintViolationException"),
    ({"query": term("user", "is", "x")}, "FieldNotSearchableException"),
    ({"query": term("id", "is", "x")}, "InvalidSearchFieldTypeException"),
    ({"query": term("start_time", "is", "today")}, "InvalidSearchFieldTypeException"),
    ({"query": term("id", "is", 1, 2)}, "PropertyConstraintViolationException"),
    (
        {"query": {"bool_query": {"must": [{"match_all_query": {}}] * 300}}},
        "PropertyConstraintViolationException",
    ),
)


async def test_searches_have_their_faults(server: Server) -> None:
    """What is wrong with a search is said in a fault."""
    for body, kind in BAD_SEARCHES:
        fault(await server.post(SEARCH, body), 400, kind)


async def test_a_jobs_executions_are_listed(server: Server) -> None:
    """The 17.2 list pages through one job's executions, newest first."""
    made = await filled(server)
    path = executions("Alpha", "/dw/data/v17_2")
    page = (await server.get(path, start=1, count=1)).expect(200).json
    assert list(page) == ["_v", "_type", "count", "data", "next", "previous", "start", "total"]
    assert (page["_type"], page["count"], page["start"], page["total"]) == (
        "job_execution_result",
        1,
        1,
        3,
    )
    assert page["data"][0]["id"] == made[1]["id"]
    fault(await server.get(executions("Nope")), 404, "JobNotFoundException", jobId="Nope")


async def test_a_log_is_read_whole_and_in_parts(server: Server) -> None:
    """A log lies at both paths, by token or Basic, with Range; it only grows."""
    made = await filled(server)
    await server.define("Logged")
    created = (await server.post(executions("Logged"))).expect(200).json
    (lease, *_) = [
        one for one in await server.claim(limit=9) if one["execution"]["job_id"] == "Logged"
    ]
    root = "/on/demandware.servlet/webdav"
    path = f"{root}/Sites/Impex/log/{created['log_file_name']}"
    fault(await server.get(path), 404, "ResourcePathNotFoundException")
    await server.report(lease, {"type": "step.started", "index": 1})
    early = (await server.get(path)).expect(200)
    finished = {"type": "step.finished", "index": 1, "outcome": "ok", "log": "line one\nline two"}
    await server.report(lease, finished)
    await server.finish(lease)
    whole = (await server.get(path)).expect(200)
    assert whole.raw.startswith(early.raw)
    assert b"line two" in whole.raw
    assert whole.headers["Content-Type"].startswith("text/plain")
    size = len(whole.raw)
    head = await server.call("HEAD", path)
    assert (head.status, head.headers["Content-Length"], head.raw) == (200, str(size), b"")
    other = (await server.get(f"{root}/Sites/LOGS/jobs/Logged/{created['log_file_name']}")).expect(
        200
    )
    assert other.raw == whole.raw
    for header, status, part in (
        ("bytes=0-9", 206, whole.raw[:10]),
        (f"bytes={len(early.raw)}-", 206, whole.raw[len(early.raw) :]),
        ("bytes=-5", 206, whole.raw[-5:]),
        ("bytes=0-1,3-4", 200, whole.raw),
        ("lines=0-1", 200, whole.raw),
        (f"bytes={size}-", 416, b""),
    ):
        answer = (await server.get(path, headers={"Range": header})).expect(status)
        assert answer.raw == part
        if status == 206:
            assert answer.headers["Content-Range"].endswith(f"/{size}")
    known = server.credentials
    nobody = server.under("")
    (await nobody.call("GET", path, headers=basic(known.user, known.password))).expect(200)
    fault(await nobody.get(path), 401, "InvalidAuthorizationHeaderException")
    caller = await client(server)
    fault(
        await caller.get(f"{root}/Sites/Impex/log/other.log"), 404, "ResourcePathNotFoundException"
    )
    wrong = f"{root}/Sites/LOGS/jobs/Alpha/{created['log_file_name']}"
    fault(await caller.get(wrong), 404, "ResourcePathNotFoundException")
    assert made
    assert (await server.delete(f"{executions('Logged', DATA)}/{created['id']}")).status == 204
    fault(await caller.get(path), 404, "ResourcePathNotFoundException")
