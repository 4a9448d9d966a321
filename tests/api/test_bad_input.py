"""Requests that are wrong: each gets a problem that says where, and changes nothing."""

import asyncio
import gzip
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import encode_basic_auth

from tests.api.serving import STEP, Caller, Server, serving

JOB = {"job_id": "New", "definition": {"steps": [STEP]}}


def nested(depth: int) -> bytes:
    """Make JSON that is an object of so many levels."""
    return b'{"input":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


BODIES: tuple[tuple[str, str, bytes, str], ...] = (
    ("POST", "/v1/jobs", b"", "$"),
    ("POST", "/v1/jobs", b"{", "$"),
    ("POST", "/v1/jobs", b"[]", "$"),
    ("POST", "/v1/jobs", b"null", "$"),
    ("POST", "/v1/jobs", b'"text"', "$"),
    ("POST", "/v1/jobs", b"{} {}", "$"),
    ("POST", "/v1/jobs", b'{"job_id": "x", "definition": {}, "more": 1}', "$"),
    ("POST", "/v1/jobs", b'{"job_id": "x", "definition": {"steps": {}}}', "$.definition.steps"),
    ("POST", "/v1/jobs", b'{"job_id": 7, "definition": {}}', "$.job_id"),
    ("POST", "/v1/jobs", b'{"job_id": "", "definition": {}}', "$.job_id"),
    ("POST", "/v1/jobs", b'{"job_id": "a/b", "definition": {}}', "$.job_id"),
    ("POST", "/v1/jobs", b'{"job_id": "%s", "definition": {}}' % (b"x" * 257), "$.job_id"),
    ("POST", "/v1/jobs", b'{"job_id": "a\\u0000", "definition": {}}', "$"),
    ("POST", "/v1/jobs", b'{"job_id": "a\x00", "definition": {}}', "$"),
    ("POST", "/v1/jobs", b'{"job_id": "\xff", "definition": {}}', "$"),
    ("POST", "/v1/jobs", b'{"job_id": "\\ud800", "definition": {}}', "$"),
    (
        "POST",
        "/v1/jobs",
        b'{"job_id": "x", "definition": {}, "schedule": {"at": ["2100-01-01T00:00:00"]}}',
        "$.schedule.at[0]",
    ),
    ("PUT", "/v1/jobs/x", b'{"policies": {"lease_s": 0}}', "$.policies.lease_s"),
    ("PUT", "/v1/jobs/x", b'{"policies": {"lease_s": NaN}}', "$"),
    ("PUT", "/v1/jobs/x", b'{"policies": {"lease_s": 1e999}}', "$.policies.lease_s"),
    ("PUT", "/v1/jobs/x", b'{"policies": {"priority": 1%s}}' % (b"0" * 60), "$.policies.priority"),
    ("PUT", "/v1/jobs/x", b'{"policies": {"when_running": "never"}}', "$.policies.when_running"),
    ("PUT", "/v1/jobs/x", b'{"name": "%s"}' % (b"x" * 257), "$.name"),
    ("PATCH", "/v1/jobs/Job", b"[1]", "$"),
    ("PATCH", "/v1/jobs/Job", b'{"nmae": "x"}', "$"),
    ("PATCH", "/v1/jobs/Job", b'{"steps": [{"step_id": null}]}', "$.steps[0].step_id"),
    ("POST", "/v1/jobs/Job/executions", nested(65), "$"),
    ("POST", "/v1/jobs/Job/executions", b'{"input": 1%s}' % (b"0" * 5000), "$.input"),
    (
        "POST",
        "/v1/jobs/Job/executions",
        b'{"parameters": [{"name": "x", "v": 1}]}',
        "$.parameters[0]",
    ),
    ("POST", "/v1/jobs/Job/executions", b'{"run_at": "2100-01-01T00:00:00"}', "$.run_at"),
    ("POST", "/v1/jobs/Job/executions", b'{"run_at": "9999-12-31T23:59:59-12:00"}', "$.run_at"),
    ("POST", "/v1/jobs/Job/executions", b'{"run_at": "0001-01-01T00:00:00+12:00"}', "$.run_at"),
    (
        "POST",
        "/v1/jobs/Job/executions",
        b'{"parameters": [{"name": "x", "unknown": 1e999}]}',
        "$[...][0][...]",
    ),
    ("POST", "/v1/executions/{run}/cancel", b'{"reasons": ""}', "$"),
    ("POST", "/v1/executions/{run}/cancel", b'{"reason": "%s"}' % (b"x" * 1001), "$.reason"),
    ("POST", "/v1/executions/{run}/resume", b"{", "$"),
    ("POST", "/v1/executions/{run}/reports", b'{"reports": []}', "$.reports"),
    (
        "POST",
        "/v1/executions/{run}/reports",
        b'{"reports": [{"type": "x"}]}',
        "$.reports[0].type",
    ),
    (
        "POST",
        "/v1/executions/{run}/reports",
        b'{"reports": [{"type": "progressed", "progress": {"precent": 1}}]}',
        "$.reports[0].progress",
    ),
    (
        "POST",
        "/v1/executions/{run}/reports",
        b'{"reports": [{"type": "progressed", "progress": {}, "occurred_at": "2020-01-01T00:00:00"}]}',
        "$.reports[0].occurred_at",
    ),
    (
        "POST",
        "/v1/executions/{run}/reports",
        b'{"reports": [{"type": "paused"}], "fence": 0}',
        "$.fence",
    ),
    ("POST", "/v1/work/claim", b'{"worker": "", "step_types": ["a"]}', "$.worker"),
    ("POST", "/v1/work/claim", b'{"worker": "w", "step_types": []}', "$.step_types"),
    ("POST", "/v1/work/claim", b'{"worker": "w", "step_types": ["a"], "wait_s": 31}', "$.wait_s"),
    ("PUT", "/v1/jobs/Job/schedule", b'{"cron": 5}', "$.cron"),
    ("PUT", "/v1/jobs/Job/schedule", b'{"at": ["9999-12-31T23:59:59-12:00"]}', "$.at[0]"),
    ("POST", "/v1/keys", b'{"name": "k", "roles": ["boss"]}', "$.roles[0]"),
    ("POST", "/v1/keys", b'{"name": "k", "roles": []}', "$.roles"),
    (
        "POST",
        "/v1/keys",
        b'{"name": "k", "roles": ["viewer"], "organizations": ["a/b"]}',
        "$.organizations[0]",
    ),
)


async def test_wrong_bodies_are_named(server: Server) -> None:
    """Whatever a body holds that it must not, the answer names the place and the log stays."""
    await server.define()
    run = await server.run()
    head = await server.head()
    for method, path, body, place in BODIES:
        answer = await server.call(method, path.format(run=run["uuid"]), body)
        try:
            problem = answer.problem(400, "malformed-request", place)
            assert problem["detail"]
        except AssertionError as error:
            error.add_note(f"{method} {path} {body[:100]!r}")
            raise
    assert await server.head() == head
    (await server.post("/v1/jobs/Job/executions", nested(64))).expect(201)


async def test_what_cannot_be_is_refused(server: Server) -> None:
    """Requests that are understood and impossible say why, and the log stays."""
    await server.define(
        "Declared",
        parameters=[
            {"name": "n", "type": "integer", "required": True},
            {"name": "s", "default": "d"},
        ],
    )
    await server.define("Sealed", policies={"cancellable": False})
    await server.define("Broken", steps=[{"step_id": "a", "include": "Nowhere"}])
    run = await server.run("Sealed")
    one = f"/v1/executions/{run['uuid']}"
    head = await server.head()
    twice = {"steps": [STEP, STEP]}
    neither = {"steps": [{"step_id": "x"}]}
    for method, path, body, status, kind, place in (
        (
            "POST",
            "/v1/jobs",
            {"job_id": "T", "definition": twice},
            422,
            "job-invalid",
            "$.definition.steps[1].step_id",
        ),
        ("PUT", "/v1/jobs/T", twice, 422, "job-invalid", "$.steps[1].step_id"),
        ("PUT", "/v1/jobs/T", neither, 422, "job-invalid", "$.steps[0]"),
        ("PATCH", "/v1/jobs/Sealed", twice, 422, "job-invalid", "$.steps[1].step_id"),
        ("POST", "/v1/jobs", JOB | {"job_id": "Sealed"}, 409, "job-exists", None),
        (
            "POST",
            "/v1/jobs",
            JOB | {"schedule": {"cron": "x"}},
            422,
            "schedule-invalid",
            "$.schedule.cron",
        ),
        ("POST", "/v1/jobs", JOB | {"job_id": "sfcc-own"}, 403, "job-reserved", None),
        ("PUT", "/v1/jobs/sfcc-own", {}, 403, "job-reserved", None),
        (
            "PUT",
            "/v1/jobs/Sealed/schedule",
            {"cron": "0 0 31 2 *"},
            422,
            "schedule-invalid",
            "$.cron",
        ),
        (
            "PUT",
            "/v1/jobs/Sealed/schedule",
            {"cron": "0 0 * * *", "time_zone": "Mars/Base"},
            422,
            "schedule-invalid",
            "$.time_zone",
        ),
        ("PUT", "/v1/jobs/Sealed/schedule", {}, 422, "schedule-invalid", "$.cron"),
        ("POST", "/v1/jobs/Broken/executions", {}, 422, "job-invalid", None),
        ("POST", "/v1/jobs/Declared/executions", {}, 422, "parameter-invalid", "$.parameters"),
        (
            "POST",
            "/v1/jobs/Declared/executions",
            {"parameters": [{"name": "n", "value": "1"}]},
            422,
            "parameter-invalid",
            "$.parameters",
        ),
        (
            "POST",
            "/v1/jobs/Declared/executions",
            {"parameters": [{"name": "n", "value": 1}, {"name": "x", "value": 1}]},
            422,
            "parameter-invalid",
            "$.parameters",
        ),
        (
            "POST",
            "/v1/jobs/Declared/executions",
            {"parameters": [{"name": "n", "value": 1}, {"name": "n", "value": 1}]},
            422,
            "parameter-invalid",
            "$.parameters",
        ),
        ("POST", "/v1/jobs/Nowhere/executions", {}, 404, "not-found", None),
        ("POST", f"{one}/cancel", {}, 409, "not-cancellable", None),
        ("POST", f"{one}/restart", {}, 409, "not-finished", None),
        ("DELETE", one, None, 409, "not-finished", None),
        (
            "POST",
            f"{one}/reports",
            {"reports": [{"type": "paused"}], "fence": 3},
            409,
            "fenced",
            None,
        ),
        (
            "POST",
            f"{one}/reports",
            {"reports": [{"type": "step.finished", "index": 1, "outcome": "ok"}]},
            422,
            "report-invalid",
            "$.reports[0]",
        ),
        (
            "POST",
            f"{one}/reports",
            {"reports": [{"type": "step.started", "index": 9}]},
            422,
            "report-invalid",
            "$.reports[0]",
        ),
        (
            "POST",
            f"{one}/reports",
            {
                "reports": [
                    {
                        "type": "progressed",
                        "progress": {"percent": 1},
                        "occurred_at": "2100-01-01T00:00:00Z",
                    }
                ]
            },
            422,
            "report-invalid",
            "$.reports[0]",
        ),
        ("POST", "/v1/projections/nothing/rebuild", None, 404, "not-found", None),
        ("DELETE", "/v1/keys/nothing", None, 404, "not-found", None),
        ("POST", "/v1/work/nothing/heartbeat", None, 404, "not-found", None),
        ("GET", "/v1/jobs/Nowhere", None, 404, "not-found", None),
        ("GET", "/v1/jobs/Sealed/schedule", None, 404, "not-found", None),
        ("GET", "/v1/jobs/a%2Fb", None, 404, "not-found", None),
        ("GET", "/v1/jobs/%00", None, 404, "not-found", None),
        ("GET", "/v1/nothing", None, 404, "not-found", None),
    ):
        answer = await server.call(method, path, body)
        try:
            answer.problem(status, kind, place)
        except AssertionError as error:
            error.add_note(f"{method} {path} {body}")
            raise
    assert await server.head() == head
    given = (await server.run("Declared", parameters=[{"name": "n", "value": 1}]))["parameters"]
    assert given == [{"name": "n", "value": 1}, {"name": "s", "value": "d"}]


async def test_media_types_are_checked(server: Server) -> None:
    """A body is JSON and says so, or says nothing, or what curl says; no browser can forge one."""
    await server.define()
    path = "/v1/jobs/Job/executions"
    for told, status in (
        ("application/json", 201),
        ("Application/JSON; charset=utf-8", 201),
        ("application/vnd.jobs+json", 201),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 201),
        ("multipart/form-data; boundary=x", 415),
        ("application/xml", 415),
    ):
        answer = await server.post(path, b"{}", headers={"Content-Type": told})
        assert answer.status == status, told
        if status == 415:
            answer.problem(415, "unsupported-media-type", "Content-Type")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    (await server.post(path, b"", headers=form)).expect(201)
    (await server.post("/v1/reports", b"{}", headers=form)).expect(200)
    user, password = server.credentials.user, server.credentials.password
    basic = form | {"Authorization": encode_basic_auth(user, password)}
    (await server.post(path, b"{}", headers=basic)).problem(415)
    async with server.session.post(
        server.url + path,
        data=b"{}",
        headers={"Authorization": f"Bearer {server.key}"},
        skip_auto_headers=("Content-Type",),
    ) as response:
        assert response.status == 201


async def test_bodies_have_a_limit(server: Server) -> None:
    """A body over the limit is refused, also when it only becomes so by unpacking it."""
    await server.define()
    head = await server.head()
    path = "/v1/jobs/Job/executions"
    large = b'{"input": "' + b"x" * server.node.settings.max_body_bytes + b'"}'
    (await server.post(path, large)).problem(413, "body-too-large")
    packed = {"Content-Encoding": "gzip"}
    (await server.post(path, gzip.compress(large), headers=packed)).problem(413)
    (await server.post(path, b"this is not gzip", headers=packed)).problem(400)
    assert await server.head() == head
    (await server.post(path, gzip.compress(b"{}"), headers=packed)).expect(201)


async def test_brackets_in_hostile_strings_cost_no_more_than_their_length(server: Server) -> None:
    """Looking for the depth of a body is linear, also where no string ever ends."""
    await server.define()
    hostile = b'{"input": ' + b"[" * 60 + b'\\"' * 1_500_000 + b"[{" * 10
    (await server.post("/v1/jobs/Job/executions", hostile)).problem(400, "malformed-request")


async def test_unknown_query_parameters_are_refused_everywhere(server: Server) -> None:
    """No route ignores a parameter it does not know, whatever the method."""
    await server.define()
    run = await server.run()
    one = f"/v1/executions/{run['uuid']}"
    for method, path in (
        ("POST", "/v1/jobs/Job/executions"),
        ("PUT", "/v1/jobs/Job"),
        ("GET", "/v1/jobs/Job"),
        ("GET", one),
        ("POST", f"{one}/cancel"),
        ("DELETE", one),
        ("POST", "/v1/work/claim"),
        ("POST", "/v1/reports"),
        ("GET", "/v1/projections"),
        ("GET", "/metrics"),
    ):
        (await server.call(method, path, dry_run="true")).problem(
            400, "malformed-request", "?dry_run"
        )
    (await server.get("/v1/events?after=1&after=2")).problem(400, path="?after")


async def test_methods_say_what_is_allowed(server: Server) -> None:
    """A method that a path does not take is refused with those it does."""
    answer = await server.call("DELETE", "/v1/jobs")
    answer.problem(405, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, HEAD, POST"
    (await server.call("PROPFIND", "/v1/jobs")).problem(405)
    assert (await server.call("HEAD", "/v1/jobs")).expect(200).raw == b""


@pytest.mark.parametrize(
    "path", ["/v1/jobs", "/v1/executions", "/v1/executions/active", "/v1/keys"]
)
async def test_cursors_are_a_lists_own(server: Server, path: str) -> None:
    """A cursor that is broken, too large or another list's is refused."""
    await server.define()
    for cursor in (
        "x",
        "ejE",  # e1 as "ZTE", broken
        "ejk5OTk5OTk5OTk5OTk5OTk5OTk5",
        "WyJhIiwgMV0",  # ["a", 1]
        "WyJcdWQ4MDAiLCAiYSJd",  # ["\ud800", "a"]
        "WyJhXHUwMDAwIiwgImEiXQ",  # ["a\u0000", "a"]
        "ZTk5OTk5OTk5OTk5OTk5OTk5OTk",  # e9999999999999999999
        "YTk5OTk5OTk5OTk5OTk5OTk5OTk",  # a9999999999999999999
        "azk5OTk5OTk5OTk5OTk5OTk5OTk",  # k9999999999999999999
        "ejE=&after=ejE=",
        "é",
        "",
    ):
        (await server.get(f"{path}?after={cursor}")).problem(400, "malformed-request", "?after")


async def raw(caller: Caller, request: bytes) -> bytes:
    """Send bytes that no client library would, and read the answer to its end."""
    address = urlsplit(caller.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request)
        await writer.drain()
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_headers_are_text_and_bounded(server: Server) -> None:
    """Bytes that are no text, too many headers and too long ones are refused, not crashed on."""
    await server.define()
    key = f"Authorization: Bearer {server.key}\r\nConnection: close\r\n".encode()

    async def status(path: bytes, headers: bytes, with_key: bytes = key) -> int:
        start = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n"
        answer = await raw(server, start + with_key + headers + b"\r\n")
        return int(answer.split(b" ", 2)[1])

    assert await status(b"/v1/jobs", b"") == 200
    assert await status(b"/v1/jobs", b"Ledger-Organization: \xff\r\n") == 400
    assert await status(b"/v1/jobs", b"Ledger-Organization: a/b\r\n") == 400
    assert await status(b"/v1/jobs", b"Ledger-Organization:\r\n") == 400
    assert await status(b"/v1/jobs", b"Ledger-Organization: *\r\n") == 400
    assert await status(b"/v1/jobs/Job", b'If-None-Match: "\xff"\r\n') == 200
    assert await status(b"/v1/jobs", b"X-Request-Id: \xff\r\n") == 200
    assert await status(b"/v1/jobs", b"", b"X-Api-Key: \xff\r\nConnection: close\r\n") == 401
    assert await status(b"/v1/jobs", b"X-A: b\r\n" * 101) == 400
    assert await status(b"/v1/jobs", b"X-A: " + b"b" * 20_000 + b"\r\n") == 400
    assert await status(b"/v1/jobs?tag=%ED%A0%80", b"") in (200, 400)
    assert await status(b"/v1/jobs/%FF", b"") == 404
    assert await status(b"/v1/jobs/\xff", b"") in (400, 404)
    assert await status(b"/v1/jobs?type=\xff", b"") in (200, 400)


async def test_a_body_that_does_not_come_is_not_waited_for(
    database_url: str, tmp_path: Path
) -> None:
    """Who announces a body and stays silent is answered 408 and let go."""
    async with serving(database_url, tmp_path, client_timeout_s=0.2) as server:
        head = await server.head()
        for path in ("/v1/jobs", "/v1/reports"):
            start = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n"
            length = "Connection: close\r\nContent-Length: 1000\r\n\r\n{"
            assert b"/problems/request-timeout" in await raw(server, (start + length).encode())
        assert await server.head() == head
