"""What keeps a server running, and describes it: health, metrics, description, lost databases."""

import asyncio
import os
import re
import signal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from api.routes.table import OPEN_ROUTES, ROUTES
from ledger.store.embedded import EmbeddedPostgres
from ledger.store.migrate import migrate
from projections.registry import PROJECTORS
from tests.api.serving import Server, serving
from tests.waiting import eventually


async def test_health_is_for_everybody(server: Server) -> None:
    """Whoever asks learns that the process lives and is ready; measurements take a key."""
    anybody = server.under("")
    assert (await anybody.get("/healthz")).expect(200).json == {"status": "ok"}
    ready = (await anybody.get("/readyz")).expect(200).json
    assert (ready["status"], ready["head"]) == ("ready", await server.head())
    (await anybody.get("/metrics")).problem(401)
    (await anybody.get("/nothing")).problem(404)
    await server.define()
    text = (await server.get("/metrics")).expect(200).raw.decode()
    assert (
        'jobledger_http_requests_total{method="PUT",route="/v1/jobs/{job_id}",status="201"} 1.0'
        in text
    )
    assert re.search(r'jobledger_projection_lag_positions{projection="executions"} \d', text)
    assert "default" not in text


def references(part: Any) -> set[str]:
    """Collect every $ref."""
    match part:
        case dict():
            own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return own.union(*map(references, part.values()))
        case list():
            return set().union(*map(references, part))
        case _:
            return set()


async def test_the_description_covers_every_route(server: Server) -> None:
    """It is OpenAPI 3.1: every route with its parameters, and every reference leads somewhere."""
    told = (await server.under("").get("/openapi.json")).expect(200).json
    assert told["openapi"].startswith("3.1.")
    assert {"title", "version"} <= told["info"].keys()
    listed = {(path, method) for path, methods in told["paths"].items() for method in methods}
    routed = {(route.template, route.method.lower()) for route in ROUTES}
    assert listed == routed | {(route.path, "get") for route in OPEN_ROUTES}
    operations = [op for methods in told["paths"].values() for op in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for route in ROUTES:
        operation = told["paths"][route.template][route.method.lower()]
        in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", route.template))
        in_query = {p["name"] for p in operation["parameters"] if p["in"] == "query"}
        assert in_query == {query.name for query in route.query}
        assert str(route.status) in operation["responses"]
        assert ("requestBody" in operation) == (route.body is not None)
    for reference in references(told):
        target: Any = told
        assert reference.startswith("#/")
        for name in reference[2:].split("/"):
            target = target[name]
        assert target


class Loads(HTMLParser):
    """Collects what a page makes a browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        for name, value in attrs:
            if name in {"src", "srcset", "data", "action"} or (name, tag) == ("href", "link"):
                self.found.append(value or "")


async def test_the_page_loads_nothing_from_elsewhere(server: Server) -> None:
    """The page that shows the description is whole in itself, and may ask this server only."""
    page = (await server.under("").get("/docs")).expect(200)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    looked = Loads()
    text = page.raw.decode()
    looked.feed(text)
    assert looked.found == []
    assert re.findall(r"https?://|@import|url\(", text) == []


async def test_projections_are_shown_and_rebuilt(server: Server) -> None:
    """Their lag is told, and a rebuild leaves the same view."""
    await server.define()
    run = await server.run()
    shown = (await server.get("/v1/projections")).expect(200).json
    assert {view["name"] for view in shown["projections"]} == {p.name for p in PROJECTORS}
    started = (await server.post("/v1/projections/executions/rebuild")).expect(202).json
    assert started == {"name": "executions", "state": "rebuilding"}

    async def is_swapped() -> bool:
        views = (await server.get("/v1/projections")).json["projections"]
        return all("rebuilding_at" not in view for view in views)

    assert await eventually(is_swapped, deadline_s=20)
    (await server.get(f"/v1/executions/{run['number']}")).expect(200)
    await server.assert_sound()


async def test_a_limit_is_told_and_kept(database_url: str, tmp_path: Path) -> None:
    """A key that asks too often is told when to come back; others are not affected."""
    async with serving(database_url, tmp_path, rate_limit_per_minute=3) as server:
        answers = [await server.get("/v1/jobs") for _ in range(4)]
        assert [a.headers["RateLimit-Remaining"] for a in answers[:3]] == ["2", "1", "0"]
        answers[3].problem(429, "too-many-requests")
        assert 1 <= int(answers[3].headers["Retry-After"]) <= 20
        other = server.under(server.credentials.api_key)
        wrong = await other.get("/v1/jobs/none")
        assert (wrong.status, wrong.headers["RateLimit-Limit"]) == (404, "3")


@pytest.mark.timeout(120)
async def test_a_lost_database_is_waited_for(tmp_path: Path) -> None:
    """Without PostgreSQL callers are told to come back; when it is there again all goes on."""
    postgres = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    dsn = await postgres.start()
    try:
        await migrate(dsn)
        async with serving(dsn, tmp_path, read_wait_s=1.0) as server:
            server.node.store.appender._deadline_s = 1.0
            await server.define()
            run = await server.run()

            async def works() -> bool:
                created = await server.post("/v1/jobs/Job/executions")
                listed = await server.get("/v1/executions")
                return (created.status, listed.status) == (201, 200)

            os.kill(postgres._recorded_postmaster(), signal.SIGKILL)
            assert await eventually(works, deadline_s=40)

            await postgres.stop()
            report = {"reports": [{"type": "progressed", "progress": {"percent": 1}}]}
            for method, path, body in (
                ("GET", f"/v1/executions/{run['uuid']}", None),
                ("GET", "/v1/executions", None),
                ("GET", "/v1/executions/active", None),
                ("GET", "/v1/jobs", None),
                ("GET", "/v1/jobs/Job", None),
                ("GET", "/v1/events?job_id=Job", None),
                ("GET", "/v1/keys", None),
                ("GET", "/v1/projections", None),
                ("POST", "/v1/projections/jobs/rebuild", None),
                ("POST", "/v1/jobs/Job/executions", None),
                ("POST", f"/v1/executions/{run['uuid']}/cancel", None),
                ("POST", f"/v1/executions/{run['uuid']}/reports", report),
                ("POST", "/v1/work/claim", {"worker": "w", "step_types": ["command"]}),
                ("POST", f"/v1/work/{run['uuid']}/heartbeat", None),
                ("PUT", "/v1/jobs/Other", {}),
            ):
                answer = await server.call(method, path, body)
                try:
                    answer.problem(503)
                    assert int(answer.headers["Retry-After"]) >= 1
                except AssertionError as error:
                    error.add_note(f"{method} {path}")
                    raise
            bulk = b'{"op": "create", "job_id": "Job"}\n' * 2
            outcomes = (await server.post("/v1/reports", bulk)).lines
            assert [line["status"] for line in outcomes] == [503, 503]
            (await server.under("jl_unknown").get("/v1/jobs")).problem(503)
            assert (await server.get("/healthz")).status == 200
            assert (await server.get("/readyz")).status == 503
            assert (await server.get("/metrics")).status == 200

            waiting = asyncio.create_task(
                server.get("/v1/events", after=server.node.store.tail.head, wait=40)
            )
            await postgres.start()
            assert await eventually(works, deadline_s=40)
            assert (await waiting).expect(200).json["events"]
            assert (await server.get("/readyz")).status == 200
            await server.assert_sound()
    finally:
        await postgres.stop()
