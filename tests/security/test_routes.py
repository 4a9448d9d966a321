"""Every route, by everybody: without credentials, with each role, and from another organization."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from ledger.events.keys import Role
from tests.api.serving import Answer, Caller, Server
from tests.security.forms import failed
from tests.security.table import TABLE, Entry, served

NOWHERE: Final = {
    "job_id": "Nothing",
    "execution": "987654321",
    "uuid": "01980000-0000-7000-8000-000000000000",
    "lease": "01980000-0000-7000-8000-000000000000",
    "key": "01980000-0000-7000-8000-000000000000",
    "consumer": "Nothing",
    "webhook": "Nothing",
    "job": "01980000-0000-7000-8000-000000000000",
    "schedule": "01980000-0000-7000-8000-000000000000",
    "file": "0123456789abcdef01234567",
    "id": "987654321",
    "name": "Job-Nothing-20200101000000000.log",
    "site": "-",
    "version": "v17_4",
    "extension": "",
    "organization": "nobody",
    "tile": "0/987",
}
VARIES: Final = frozenset(("date", "content-length", "x-request-id"))


async def visit(
    caller: Caller, entry: Entry, names: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> Answer:
    """Call a route with what it takes."""
    named = dict(names)
    content = entry.content(named)
    told = {"X-Request-Id": "visit", "Content-Type": entry.kind, **(headers or {})}
    return await caller.call(entry.method, entry.address(named), content, headers=told)


def is_of_role(entry: Entry, answer: Answer) -> bool:
    """Tell whether an answer says that the caller's role is the wrong one."""
    words = {
        "native": "may not do this",
        "product_live": "may not do this",
        "cdq": "may not do this",
        "datameer": "have the permission",
        "ocapi": "ClientAccessForbiddenException",
        "token": "-",
    }
    return answer.status == 403 and words[entry.api].encode() in answer.raw


async def test_every_route_is_in_the_table(server: Server) -> None:
    """Nothing is served that was not reviewed, and nothing was reviewed that is gone."""
    known = [entry.key for entry in TABLE]
    assert len(set(known)) == len(known)
    mirrored = {("HEAD", path) for method, path in known if method == "GET"}
    assert served(server) - mirrored == set(known)


async def test_without_credentials_nothing_opens(server: Server) -> None:
    """Nobody, a wrong key and a wrong password get 401 in the API's own form, and change nothing."""
    head = await server.head()
    wrong: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer jl_wrong"},
        {"Authorization": "Bearer a.b.c"},
        {"X-Api-Key": "jl_wrong"},
        {"Authorization": "Basic YWRtaW46d3Jvbmc="},
        {"Authorization": f"Token {server.key}"},
    )
    for entry in TABLE:
        for headers in wrong:
            answer = await visit(server.under(""), entry, NOWHERE, headers)
            if entry.roles is None:
                assert answer.status < 400 or answer.status == 404 or entry.api == "token", entry
                continue
            try:
                failed(entry.api, answer, 401)
            except AssertionError as error:
                error.add_note(f"{entry.key} with {headers}")
                raise
            assert answer.headers["WWW-Authenticate"]
            head_of = await server.under("").call("HEAD", entry.address(NOWHERE), headers=headers)
            assert head_of.status in (401, 405), entry.key
    assert await server.head() == head


async def test_only_the_reviewed_roles_pass(server: Server) -> None:
    """Each role gets through where the table says, and 403 in the API's own form elsewhere."""
    for role in get_args(Role):
        caller = await server.caller(role, organizations=["nobody"])
        for entry in TABLE:
            if entry.roles is None:
                continue
            answer = await visit(caller, entry, NOWHERE)
            where = (role, entry.key, answer)
            assert answer.status != 401, where
            assert answer.status < 500, where
            assert is_of_role(entry, answer) == (role not in entry.roles), where
            if role not in entry.roles:
                failed(entry.api, answer, 403)


async def test_naming_an_organization_gives_no_way_in(server: Server) -> None:
    """A key that names another's organization is told the same as for one that there is not."""
    await server.define("Secret")
    stranger = await server.caller(*get_args(Role), organizations=["other"])
    for entry in TABLE:
        if entry.roles is None:
            continue
        answers = [
            await visit(stranger, entry, NOWHERE, {"Ledger-Organization": organization})
            for organization in ("default", "nosuch")
        ]
        failed(entry.api, answers[0], 403)
        assert alike(answers[0], {}) == alike(answers[1], {}), entry.key


class Ground:
    """What one organization has, under all its names."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.job: Any = None
        self.held: Any = None
        self.ended: Any = None
        self.lease: Any = None
        self.key: Any = None
        self.file: Any = None
        self.log = ""

    async def make(self) -> None:
        """Make one of everything, each with a word in it that nobody else may see."""
        server = self.server
        self.job = await server.define(
            "Secret", description="PRIVATE", tags=["PRIVATE"], policies={"lease_s": 3600}
        )
        for number in range(5):  # so that no number of ours is one of the stranger's own
            await server.define(f"Filler{number}")
        await server.put("/v1/jobs/Secret/schedule", {"cron": "0 0 1 1 *"})
        run: dict[str, Any] = {"name": "PRIVATE", "input": {"word": "PRIVATE"}}
        self.ended = await server.run("Secret", **run)
        [lease] = await server.claim()
        await server.report(lease, {"type": "step.started", "index": 1})
        ended = {"type": "step.finished", "index": 1, "outcome": "ok", "log": "PRIVATE"}
        (await server.report(lease, ended)).expect(200)
        await server.finish(lease, outcome="ok")
        self.held = await server.run("Secret", **run)
        [self.lease] = await server.claim()
        await server.run("Secret", **run)
        made = await server.post("/v1/keys", {"name": "PRIVATE", "roles": ["viewer"]})
        self.key = made.expect(201).json["key"]
        for scope in ({}, {"Ledger-Organization": "default"}):
            told = {"description": "PRIVATE"}
            (await server.put("/v1/consumers/Following", told, headers=scope)).expect(201)
            hook = {"name": "Hooked", "url": "http://127.0.0.1:9/PRIVATE", **told}
            (await server.post("/v1/webhooks", hook, headers=scope)).expect(201)
        path = "/v1/data_factory/files?filename=PRIVATE.txt"
        self.file = (await server.post(path, b"PRIVATE")).expect(201).json
        read = f"/dw/data/v18_1/jobs/Secret/executions/{self.ended['number']}"
        document = (await server.get(read)).expect(200).json
        self.log = document["log_file_path"].rpartition("/")[2]

    def names(self, execution: Any, by: str) -> dict[str, str]:
        """Name everything, the execution by one of its names."""
        return NOWHERE | {
            "job_id": "Secret",
            "execution": str(execution[by]),
            "uuid": execution["uuid"],
            "job": str(execution[by]),
            "lease": self.lease["lease"],
            "key": self.key["uuid"],
            "consumer": "Following",
            "webhook": "Hooked",
            "schedule": self.job["uuid"],
            "file": self.file["id"],
            "id": str(execution["number"]),
            "name": self.log,
            "organization": "other",
        }


def of_entry(entry: Entry, ground: Ground) -> Iterator[dict[str, str]]:
    """Give every way in which an entry can name what the ground holds."""
    for execution in (ground.held, ground.ended):
        for by in ("uuid", "number", "oid"):
            names = ground.names(execution, by)
            yield names
            if entry.api == "datameer":
                yield names | {"id": str(ground.job["number"]), "file": str(ground.job["number"])}
                yield names | {"file": ground.job["uuid"], "id": ground.job["uuid"]}
                yield names | {"file": "Secret", "id": "Secret"}


def nowhere_like(names: Mapping[str, str]) -> dict[str, str]:
    """Name things that there are not, each by a name of the same kind."""
    made: dict[str, str] = {}
    for name, value in names.items():
        if name == "organization" or value == NOWHERE[name]:
            made[name] = value
        elif re.fullmatch("[0-9a-f-]{36}", value):
            made[name] = NOWHERE["uuid"]
        elif re.fullmatch("[0-9a-f]{24}", value):
            made[name] = NOWHERE["file"]
        elif value.isdigit():
            made[name] = NOWHERE["id"]
        else:
            made[name] = NOWHERE["name"] if value.endswith(".log") else NOWHERE["job_id"]
    return made


def alike(answer: Answer, names: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Give an answer without the names that its request held, and without what always varies."""
    raw = answer.raw
    headers = {k.lower(): v for k, v in answer.headers.items() if k.lower() not in VARIES}
    values = {value for name, value in names.items() if name not in FIXED}
    for value in sorted(values, key=len, reverse=True):
        around = (r"(?<=[\"'/=])", r"(?=[\"'/&?\s.]|$)") if len(value) < UNMISTAKABLE else ("", "")
        whole = re.compile(re.escape(value).join(around))
        raw = re.sub(whole.pattern.encode(), b"*", raw)
        headers = {name: whole.sub("*", told) for name, told in headers.items()}
    return answer.status, headers, raw


UNMISTAKABLE: Final = 20
"""Letters of a name that stands for nothing else wherever it is."""
FIXED: Final = frozenset(("site", "version", "extension", "organization"))


async def test_what_another_organization_has_cannot_be_told_from_what_there_is_not(
    server: Server,
) -> None:
    """By every name, on every route, a stranger gets the very answer that nothing gets."""
    ground = Ground(server)
    await ground.make()
    await server.caller("viewer", organizations=["other"])
    stranger = await server.caller(*get_args(Role), organizations=["other"])
    await stranger.define("Own")
    head = await server.head()
    settle = {"Ledger-Min-Position": str(head)}
    await server.views_at(head)
    visits = shown = 0
    for entry in TABLE:
        if entry.roles is None or entry.makes_its_own:
            continue
        seen: set[str] = set()
        for names in of_entry(entry, ground):
            address = entry.address(names) + repr(entry.content(names))
            if address in seen:
                continue
            seen.add(address)
            others = nowhere_like(names)
            real = await visit(stranger, entry, names, settle)
            none = await visit(stranger, entry, others, settle)
            where = (entry.key, names, real, none)
            visits += 1
            assert b"PRIVATE" not in real.raw, where
            assert "PRIVATE" not in repr(dict(real.headers)), where
            assert real.status < 500, where
            if entry.path == "/metrics":
                continue  # measures the requests themselves
            said = entry.path + entry.query + repr(entry.body)
            used = [name for name in names if f"{{{name}}}" in said]
            assert alike(real, {name: names[name] for name in used}) == alike(
                none, {name: others[name] for name in used}
            ), where
            if entry.method == "GET":
                ours = await visit(server, entry, names, settle)
                shown += b"PRIVATE" in ours.raw or b"Secret" in ours.raw
    # The owner's visits find what the stranger's do not.
    assert visits > len(TABLE) * 3 // 2
    assert shown > len(TABLE) // 3
    for by in ("uuid", "number", "oid"):
        real = await stranger.get("/v1/events", execution_id=ground.held[by])
        real.problem(404, "not-found")
    assert await server.head() == head


async def test_lists_and_searches_are_as_if_nothing_were_there(server: Server) -> None:
    """Pages, totals, counts, links and cursors of a stranger's lists tell of no other's things."""
    ground = Ground(server)
    await ground.make()
    stranger = await server.caller(*get_args(Role), organizations=["other"])
    settle = {"Ledger-Min-Position": str(await server.head())}
    for path, empty in (
        ("/v1/jobs?limit=1", {"jobs": []}),
        ("/v1/jobs?tag=PRIVATE", {"jobs": []}),
        ("/v1/executions?limit=1&total=true&tag=PRIVATE", {"executions": [], "total": 0}),
        ("/v1/executions?limit=1&total=true&deleted=true", {"executions": [], "total": 0}),
        ("/v1/executions/active?limit=1", {"executions": []}),
        ("/v1/jobs/Secret/history?limit=1", {"executions": []}),
        ("/v1/events?limit=1000&types=execution.created", {"events": []}),
        ("/v1/data_factory/job_executions?size=1", {"data": [], "totalElements": 0}),
        ("/v2/jobs?limit=1&featuresOn=NUMBER_OF_TOTAL", {"jobs": []}),
        ("/v2/jobs/types?limit=1", {"jobs": []}),
        ("/v2/scheduled-jobs?limit=1", {"scheduledJobs": []}),
        ("/rest/jobs/list-running", []),
    ):
        answer = (await stranger.call("GET", path, headers=settle)).expect(200)
        told = answer.json
        if isinstance(empty, dict):
            assert {name: told[name] for name in empty} == empty, (path, told)
            assert told.get("total", 0) == 0, path
        else:
            assert told == empty, path
        assert "Link" not in answer.headers
        assert "next" not in told
        assert b"Secret" not in answer.raw
    keys = (await stranger.call("GET", "/v1/keys", headers=settle)).json["keys"]
    assert {name for key in keys for name in key["organizations"]} == {"other"}
    found = (await stranger.get("/v1/events", limit=1000)).json["events"]
    assert {event["organization"] for event in found} <= {"other"}


async def test_bodies_cannot_name_another_organizations_things(server: Server) -> None:
    """What a definition or a run refers to is looked for in the caller's organization only."""
    ground = Ground(server)
    await ground.make()
    stranger = await server.caller("operator", "admin", organizations=["other"])
    await stranger.define("Own")
    file = {"object": "data_factory_file", "id": ground.file["id"]}
    nothing = {"object": "data_factory_file", "id": NOWHERE["file"]}
    pairs: tuple[tuple[str, str, Any, Any], ...] = (
        (
            "POST",
            "/v1/jobs/Own/executions",
            {"waits_for": [ground.held["uuid"]]},
            {"waits_for": [NOWHERE["uuid"]]},
        ),
        (
            "POST",
            "/v1/jobs/Own/executions",
            {"waits_for": [ground.ended["uuid"]]},
            {"waits_for": [NOWHERE["uuid"]]},
        ),
        (
            "POST",
            "/v1/data_factory/job_executions",
            {"jobId": "Own", "input": {"f": file}},
            {"jobId": "Own", "input": {"f": nothing}},
        ),
        (
            "POST",
            "/v2/jobs",
            {"type": "Own", "organizationId": "default"},
            {"type": "Own", "organizationId": "nosuch"},
        ),
    )
    for method, path, real, none in pairs:
        answers = [await stranger.call(method, path, body) for body in (real, none)]
        names = {"a": ground.held["uuid"], "b": ground.ended["uuid"], "c": ground.file["id"]}
        nowhere = {"a": NOWHERE["uuid"], "c": NOWHERE["file"]}
        assert 400 <= answers[0].status < 500, (path, answers)
        same = [
            re.sub(rb'"request_id":"[^"]*"', b"", alike(answer, told)[2])
            for answer, told in zip(answers, (names, nowhere), strict=True)
        ]
        assert same[0] == same[1], (path, answers)
    for after in ("Secret", "Nothing"):
        (await stranger.put(f"/v1/jobs/After{after}", {**ground_steps(), "after": [after]})).expect(
            201
        )
    (await stranger.put("/v1/jobs/Includes", {"steps": [{"step_id": "a", "include": "Secret"}]}))
    (await stranger.post("/v1/jobs/Includes/executions", {})).problem(422, "job-invalid")
    # The same idempotency key is each organization's own.
    key = {"Idempotency-Key": "the same"}
    await server.define("Own")
    ours = (await server.post("/v1/jobs/Own/executions", {}, headers=key)).expect(201).json
    theirs = (await stranger.post("/v1/jobs/Own/executions", {}, headers=key)).expect(201).json
    assert (ours["organization"], theirs["organization"]) == ("default", "other")


def ground_steps() -> dict[str, Any]:
    """Give a definition with one step."""
    return {"steps": [{"step_id": "one", "step_type_id": "command"}]}


async def test_what_is_of_all_organizations_takes_a_key_of_all(server: Server) -> None:
    """An admin of one organization neither sees nor changes what the whole ledger is made of."""
    await server.define("Secret")
    stranger = await server.caller(*get_args(Role), organizations=["other"])
    head = await server.head()
    for method, path in (
        ("POST", "/v1/tree/keys"),
        ("POST", "/v1/projections/jobs/rebuild"),
        ("POST", "/v1/projections/jobs/verify"),
        ("POST", "/v1/projections/jobs/replay"),
        ("GET", "/tile/entries/000.p/1"),
    ):
        answer = await stranger.call(method, path)
        answer.problem(403, "forbidden")
        assert b"Secret" not in answer.raw
    narrowed = await server.call(
        "GET", "/tile/entries/000.p/1", headers={"Ledger-Organization": "default"}
    )
    narrowed.problem(403, "forbidden")
    reader = await server.caller("viewer", "operator", organizations=["*"])
    (await reader.get("/tile/entries/000.p/1")).problem(403, "forbidden")
    shown = (await stranger.get("/v1/projections")).expect(200).json["projections"]
    assert all("quarantine" not in view and "error" not in view for view in shown)
    assert await server.head() >= head


FORMS: Final = (
    "application/json",
    "text/event-stream",
    "application/x-ndjson",
    "application/cloudevents-batch+json",
    "application/cloudevents+json",
)


async def test_no_form_of_the_stream_shows_another_organization(server: Server) -> None:
    """Pages and streams, with and without filters, hold the caller's own events only."""
    ground = Ground(server)
    await ground.make()
    stranger = await server.caller(*get_args(Role), organizations=["other"])
    await stranger.define("Own")
    for form in FORMS:
        ends = {} if "json" in form.removesuffix("x-ndjson") else {"follow": "false"}
        for more in ({}, {"job_id": "Secret"}, {"types": "execution.created"}):
            query: dict[str, str] = {"limit": "1000", **ends, **more}
            theirs = await stranger.call("GET", "/v1/events", headers={"Accept": form}, **query)
            assert theirs.status in (200, 204), (form, theirs)
            for word in (b"PRIVATE", b"Secret", b"default", ground.held["uuid"].encode()):
                assert word not in theirs.raw, (form, more, word)
            ours = await server.call("GET", "/v1/events", headers={"Accept": form}, **query)
            # One CloudEvent at a time: the first is nobody's secret.
            assert b"Secret" in ours.raw or form == FORMS[-1], (form, more)
        for by in ("uuid", "number", "oid"):
            path = f"/v1/executions/{ground.held[by]}/events"
            answer = await stranger.call("GET", path, headers={"Accept": form}, **ends)
            answer.problem(404, "not-found")


async def test_a_stream_that_is_followed_shows_no_other_organization(server: Server) -> None:
    """What happens elsewhere while a stream is open passes it by; its own events come."""
    stranger = await server.caller("operator", organizations=["other"])
    own = {"Authorization": f"Bearer {stranger.key}", "Accept": "application/x-ndjson"}
    path = f"{server.url}/v1/events?follow=true&after={await server.head()}"
    async with server.session.get(path, headers=own) as response:
        assert response.status == 200
        await server.define("Secret", description="PRIVATE")
        await server.run("Secret", name="PRIVATE")
        await stranger.define("Own")
        seen = b""
        while b'"Own"' not in seen and b"job/other/Own" not in seen:
            seen += await response.content.readline()
    assert b"PRIVATE" not in seen
    assert b"Secret" not in seen


async def test_no_shared_cache_keeps_an_answer(server: Server) -> None:
    """What takes a key to read says that it is not for others, whatever header the key came in."""
    await server.define("Nothing")
    for entry in TABLE:
        if entry.roles is None or entry.method != "GET":
            continue
        headers = {"X-Api-Key": server.key}
        answer = await visit(server.under(""), entry, NOWHERE, headers)
        told = answer.headers.get("Cache-Control", "")
        assert "private" in told or "no-store" in told or "no-cache" in told, (entry.key, answer)
        assert "public" not in told
