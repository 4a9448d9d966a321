"""The reviewed table of who may call what: every route of every API, with its roles, said again.

A route that is not here, and one that is here and no longer served, fails `test_routes`; so does a
route that lets somebody through whom this table does not. Whoever adds a route decides here, a second
time, who may call it; whoever loosens one changes this file too, and a reviewer sees it.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias, get_args
from urllib.parse import quote

from msgspec import Struct

from api.app import build_app
from ledger.events.keys import Role
from tests.api.serving import Server

Api: TypeAlias = Literal["native", "product_live", "cdq", "datameer", "ocapi", "token"]

READ: Final[frozenset[Role]] = frozenset(("viewer", "operator", "auditor", "admin"))
RUN: Final[frozenset[Role]] = frozenset(("operator", "admin"))
WORK: Final[frozenset[Role]] = frozenset(("worker", "admin"))
REPORT: Final[frozenset[Role]] = frozenset(("worker", "recorder", "admin"))
FOLLOW: Final[frozenset[Role]] = frozenset(("consumer", "operator", "admin"))
AUDIT: Final[frozenset[Role]] = frozenset(("auditor", "admin"))
ADMIN: Final[frozenset[Role]] = frozenset(("admin",))
EVERY: Final[frozenset[Role]] = frozenset(get_args(Role))
OPEN: Final = None
"""Anybody, without credentials."""

JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
XML: Final = "application/xml"

LOGS: Final = "/on/demandware.servlet/webdav/Sites"
FILES: Final = "/v1/data_factory"
STEPS: Final[Any] = {"steps": [{"step_id": "one", "step_type_id": "command"}]}


class Entry(Struct, frozen=True, kw_only=True):
    """One route, as it was reviewed."""

    method: str
    path: str
    api: Api
    roles: frozenset[Role] | None
    body: Any = None
    """Sent by the visits; strings in it are formatted with the visit's names."""
    kind: str = JSON
    query: str = ""
    makes_its_own: bool = False
    """It makes something of the caller's own, whatever others have under that name."""

    @property
    def key(self) -> tuple[str, str]:
        """Tell it apart."""
        return self.method, self.path

    def address(self, names: dict[str, str]) -> str:
        """Fill the names of a visit into the path."""
        path = self.path
        for name, value in names.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return path + self.query.format_map(names)

    def content(self, names: dict[str, str]) -> Any:
        """Fill the names of a visit into the body."""
        return _filled(self.body, names)


def _filled(value: Any, names: dict[str, str]) -> Any:
    match value:
        case str():
            return value.format_map(names)
        case bytes():
            return _filled(value.decode(), names).encode()
        case dict():
            return {name: _filled(item, names) for name, item in value.items()}
        case list():
            return [_filled(item, names) for item in value]
        case _:
            return value


def _native() -> Iterable[Entry]:
    def entry(method: str, path: str, roles: frozenset[Role] | None, **more: Any) -> Entry:
        return Entry(method=method, path=path, api="native", roles=roles, **more)

    job, one = "/v1/jobs/{job_id}", "/v1/executions/{execution}"
    new = {"job_id": "{job_id}", "definition": STEPS}
    progressed = {"type": "progressed", "progress": {"percent": 1}}
    yield entry("GET", "/healthz", OPEN)
    yield entry("GET", "/readyz", OPEN)
    yield entry("GET", "/openapi.json", OPEN)
    yield entry("GET", "/docs", OPEN)
    # The page: the same files for everybody, and nothing of the ledger in them.
    yield entry("GET", "/", OPEN)
    yield entry("GET", "/ui", OPEN)
    yield entry("GET", "/ui/{view}", OPEN)
    yield entry("GET", "/ui/-/{version}/{name}", OPEN)
    yield entry("GET", "/v1/jobs", READ)
    yield entry("POST", "/v1/jobs", RUN, body=new, makes_its_own=True)
    yield entry("GET", job, READ)
    yield entry("PUT", job, RUN, body=STEPS, makes_its_own=True)
    yield entry("PATCH", job, RUN, body={"description": "changed"})
    yield entry("DELETE", job, RUN)
    yield entry("GET", f"{job}/schedule", READ)
    yield entry("PUT", f"{job}/schedule", RUN, body={"cron": "0 0 1 1 *"})
    yield entry("DELETE", f"{job}/schedule", RUN)
    yield entry("GET", f"{job}/history", READ)
    yield entry("GET", f"{job}/statistics", READ)
    yield entry("GET", f"{job}/due-times", READ)
    yield entry("POST", f"{job}/executions", RUN, body={})
    yield entry("GET", "/v1/executions", READ, query="?total=true&deleted=true&job_id={job_id}")
    yield entry("GET", "/v1/executions/active", READ)
    yield entry("GET", one, READ)
    yield entry("PATCH", one, RUN, body={"name": "changed", "labels": {"a": "b"}})
    yield entry("DELETE", one, RUN)
    yield entry("GET", f"{one}/events", READ)
    for verb in ("cancel", "pause", "resume"):
        yield entry("POST", f"{one}/{verb}", RUN, body={})
    yield entry("POST", f"{one}/restart", RUN, body={})
    yield entry("POST", f"{one}/erase", ADMIN, body={})
    yield entry("GET", f"{one}/changes", READ)
    yield entry(
        "POST", f"{one}/reports", REPORT, body={"reports": [progressed], "fence": 1, "worker": "w"}
    )
    bulk = (
        b'{{"op": "cancel", "execution": "{execution}"}}\n'
        b'{{"op": "create", "job_id": "{job_id}"}}\n'
        b'{{"op": "create", "job_id": "Own", "run": {{"waits_for": ["{uuid}"]}}}}\n'
        b'{{"op": "report", "execution": "{execution}", "fence": 1, "reports": [{{"type": "paused"}}]}}\n'
        b'{{"op": "delete", "execution": "{execution}"}}\n'
    )
    yield entry("POST", "/v1/reports", REPORT | RUN, body=bulk, kind=LINES)
    yield entry("POST", "/v1/work/claim", WORK, body={"worker": "w", "step_types": ["command"]})
    yield entry("POST", "/v1/work/{lease}/heartbeat", WORK)
    yield entry("GET", "/v1/events", READ, query="?limit=1000&job_id={job_id}")
    yield entry("GET", "/v1/projections", READ)
    # Views are shared: each of these takes a key of all organizations, see test_routes.
    yield entry("POST", "/v1/projections/{name}/rebuild", ADMIN)
    yield entry("POST", "/v1/projections/{name}/verify", AUDIT)
    yield entry("POST", "/v1/projections/{name}/replay", ADMIN, body={})
    yield entry("GET", "/v1/activity", READ)
    yield entry("GET", "/v1/workers", READ)
    yield entry("GET", "/v1/me", EVERY)
    yield entry("GET", "/v1/keys", ADMIN)
    made = {"name": "made", "roles": ["viewer"], "organizations": ["{organization}"]}
    yield entry("POST", "/v1/keys", ADMIN, body=made, makes_its_own=True)
    yield entry("DELETE", "/v1/keys/{key}", ADMIN)
    yield entry("GET", "/metrics", READ)
    yield entry("GET", "/v1/tree", READ)
    yield entry("GET", "/v1/tree/heads", READ)
    yield entry("GET", "/v1/tree/keys", READ)
    yield entry("POST", "/v1/tree/keys", ADMIN)  # of all organizations: see test_routes
    yield entry("GET", "/checkpoint", READ)
    yield entry("GET", "/tile/{tile}", READ)  # entries take more: see test_routes
    yield entry("GET", "/v1/tree/inclusion", READ, query="?position=1&size=1")
    yield entry("GET", "/v1/tree/consistency", READ, query="?from=1&to=1")
    yield entry("GET", "/v1/export", AUDIT)
    yield entry("GET", f"{one}/dossier", READ)


def _consumers() -> Iterable[Entry]:
    def entry(method: str, path: str, roles: frozenset[Role], **more: Any) -> Entry:
        return Entry(method=method, path=path, api="native", roles=roles, **more)

    one = "/v1/consumers/{consumer}"
    done = {"leases": [{"lease": "1-0"}]}
    yield entry("GET", "/v1/consumers", READ | FOLLOW)
    yield entry("PUT", one, FOLLOW, body={}, makes_its_own=True)
    yield entry("GET", one, READ | FOLLOW)
    yield entry("PATCH", one, FOLLOW, body={"description": "changed"})
    yield entry("DELETE", one, FOLLOW)
    yield entry("POST", f"{one}/events", FOLLOW, body={})
    yield entry("POST", f"{one}/ack", FOLLOW, body=done)
    yield entry("POST", f"{one}/nack", FOLLOW, body={"lease": "1-0", "position": 1})
    yield entry("POST", f"{one}/heartbeat", FOLLOW, body={})
    yield entry("POST", f"{one}/release", FOLLOW, body={})
    yield entry("POST", f"{one}/reset", FOLLOW, body={"position": 0})
    yield entry("GET", f"{one}/parked", READ | FOLLOW)
    yield entry("POST", f"{one}/parked/replay", FOLLOW, body={})
    yield entry("POST", f"{one}/parked/discard", FOLLOW, body={"streams": ["execution/{uuid}"]})


def _webhooks() -> Iterable[Entry]:
    def entry(method: str, path: str, roles: frozenset[Role], **more: Any) -> Entry:
        return Entry(method=method, path=path, api="native", roles=roles, **more)

    one = "/v1/webhooks/{webhook}"
    made = {"name": "Made{organization}", "url": "http://127.0.0.1:9/"}
    yield entry("GET", "/v1/webhooks", RUN)
    yield entry("POST", "/v1/webhooks", ADMIN, body=made, makes_its_own=True)
    yield entry("GET", one, RUN)
    yield entry("PATCH", one, ADMIN, body={"description": "changed"})
    yield entry("DELETE", one, ADMIN)
    yield entry("POST", f"{one}/secrets", ADMIN, body={})
    yield entry("POST", f"{one}/enable", RUN)
    yield entry("POST", f"{one}/disable", RUN, body={})
    yield entry("POST", f"{one}/test", RUN)
    yield entry("POST", f"{one}/replay", RUN, body={"position": 0})
    yield entry("GET", f"{one}/deliveries", RUN)
    yield entry("GET", f"{one}/parked", RUN)
    yield entry("POST", f"{one}/parked/replay", RUN, body={})
    yield entry("POST", f"{one}/parked/discard", RUN, body={"streams": ["execution/{uuid}"]})


def _product_live() -> Iterable[Entry]:
    def entry(method: str, path: str, roles: frozenset[Role], **more: Any) -> Entry:
        return Entry(method=method, path=path, api="product_live", roles=roles, **more)

    runs = f"{FILES}/job_executions"
    by_job = {"type": "eq", "field": "jobId", "value": "{job_id}"}
    by_input = {"type": "contains", "field": "input.word", "value": "PRIVATE"}
    either = {"type": "or", "queries": [by_job, by_input]}
    yield entry("POST", runs, RUN, body={"jobId": "{job_id}"})
    yield entry("GET", runs, READ)
    yield entry("POST", f"{runs}/find", READ, body=either)
    yield entry("POST", "/v1/job_executions/find", READ, body=either)
    yield entry("GET", f"{runs}/{{execution}}", READ)
    yield entry(
        "POST",
        f"{FILES}/files",
        RUN | REPORT,
        body=b"own",
        kind="text/plain",
        makes_its_own=True,
    )
    yield entry("GET", f"{FILES}/files/{{file}}", READ | WORK)


def _cdq() -> Iterable[Entry]:
    def entry(method: str, path: str, roles: frozenset[Role], **more: Any) -> Entry:
        return Entry(method=method, path=path, api="cdq", roles=roles, **more)

    one, schedules = "/v2/jobs/{job}", "/v2/scheduled-jobs"
    put = {"cron": "0 0 1 1 *"}
    depends = {"type": "Own", "jobDependencies": [{"jobId": "{uuid}"}]}
    yield entry("GET", "/v2/jobs", READ, query="?featuresOn=NUMBER_OF_TOTAL")
    yield entry("POST", "/v2/jobs", RUN, body=depends)
    yield entry("GET", "/v2/jobs/types", READ)
    yield entry("POST", "/v2/jobs/results/fetchlast", READ, body={"jobType": "{job_id}"})
    yield entry("GET", one, READ)
    yield entry("PATCH", one, RUN, body={"name": "changed"})
    yield entry("DELETE", one, RUN)
    yield entry("POST", f"{one}/cancel", RUN)
    yield entry("GET", f"{one}/results", READ)
    yield entry("PUT", f"{one}/resultdata", REPORT - {"worker"}, body={"resultData": "x"})
    yield entry("GET", f"{one}/processing-logs", READ)
    yield entry("POST", schedules, RUN, body={"jobType": "{job_id}", **put})
    yield entry("GET", schedules, READ)
    yield entry("GET", f"{schedules}/{{schedule}}", READ)
    yield entry("PUT", f"{schedules}/{{schedule}}", RUN, body=put)
    yield entry("DELETE", f"{schedules}/{{schedule}}", RUN)


def _datameer() -> Iterable[Entry]:
    def entry(method: str, path: str, roles: frozenset[Role], **more: Any) -> Entry:
        return Entry(method=method, path=path, api="datameer", roles=roles, **more)

    configuration, file = "/rest/job-configuration", "/api/job-execution/{file}"
    yield entry("GET", f"{configuration}/job-status/{{id}}", READ)
    yield entry("GET", f"{configuration}/job-history/{{id}}", READ)
    yield entry("GET", f"{configuration}/volume-report/{{id}}", READ)
    yield entry("GET", "/rest/job-execution/job-details/{id}", READ)
    yield entry("GET", "/rest/jobs/list-running", READ)
    yield entry("POST", "/rest/job-execution", RUN, query="?sequence={id}")
    yield entry("POST", "/rest/job-execution/job-kill/{id}", RUN)
    yield entry("DELETE", "/rest/data/{id}", RUN)
    yield entry("GET", f"{file}/status", READ)
    yield entry("POST", f"{file}/trigger", RUN)
    yield entry("POST", f"{file}/stop", RUN)


def _ocapi() -> Iterable[Entry]:
    def entry(method: str, path: str, roles: frozenset[Role] | None, **more: Any) -> Entry:
        return Entry(method=method, path=path, api="ocapi", roles=roles, **more)

    term = {"fields": ["job_id"], "operator": "is", "values": ["{job_id}"]}
    words = {"fields": ["job_id"], "search_phrase": "{job_id}"}
    search = {
        "query": {
            "bool_query": {"should": [{"term_query": term}, {"text_query": words}]},
        }
    }
    yield Entry(method="POST", path="/dwsso/oauth2/access_token", api="token", roles=OPEN)
    yield entry("GET", f"{LOGS}/Impex/log/{{name}}", READ)
    yield entry("GET", f"{LOGS}/LOGS/jobs/{{job_id}}/{{name}}", READ)
    for prefix in ("/dw", "/s/{site}/dw"):
        data = f"{prefix}/data/{{version}}"
        runs = f"{data}/jobs/{{job_id}}/executions"
        yield Entry(method="POST", path=f"{prefix}/oauth2/access_token", api="token", roles=OPEN)
        yield entry("GET", f"{prefix}/meta/v1/rest", OPEN)
        yield entry("POST", f"{runs}{{extension}}", RUN)
        yield entry("GET", f"{runs}{{extension}}", READ)
        yield entry("POST", f"{data}/job_execution_search{{extension}}", READ, body=search)
        yield entry("GET", f"{runs}/{{id}}", READ)
        yield entry("DELETE", f"{runs}/{{id}}", RUN)


TABLE: Final[tuple[Entry, ...]] = (
    *_native(),
    *_consumers(),
    *_webhooks(),
    *_product_live(),
    *_cdq(),
    *_datameer(),
    *_ocapi(),
)


def served(server: Server) -> set[tuple[str, str]]:
    """Name every route that the application really has."""
    routes = build_app(server.node).router.routes()
    return {
        (route.method, route.resource.canonical) for route in routes if route.resource is not None
    }
