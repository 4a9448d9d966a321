"""Workers and steps: no other's work can be taken or reported on, and no caller's text is run."""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final, get_args

import aiohttp
import pytest
from aiohttp import web

from api.worker.steps.command import run_command
from api.worker.steps.http import run_http
from api.worker.steps.python import run_python
from api.worker.steps.result import StepFailed, StepResult
from ledger.events.keys import Role
from tests.api.serving import Caller, Server
from tests.security.test_injection import WORDS, context

PROGRESS: Final = {"type": "progressed", "progress": {"percent": 1}}
EVERY_ROLE: Final = get_args(Role)

pytestmark = pytest.mark.usefixtures("guardian")


async def report(caller: Caller, execution: str, **more: Any) -> Any:
    """Report progress."""
    path = f"/v1/executions/{execution}/reports"
    return await caller.post(path, {"reports": [PROGRESS], **more})


async def test_no_other_organizations_work_can_be_touched(server: Server) -> None:
    """A worker of elsewhere is given none of it, cannot renew its lease, and reports on nothing."""
    await server.define()
    run = await server.run()
    stranger = await server.caller(*EVERY_ROLE, organizations=["other"])
    assert await stranger.claim("w", limit=50) == []
    [lease] = await server.claim("w")
    (await stranger.post(f"/v1/work/{lease['lease']}/heartbeat")).problem(409, "lease-lost")
    unknown = await stranger.post("/v1/work/01980000-0000-7000-8000-000000000000/heartbeat")
    unknown.problem(409, "lease-lost")
    before = (await server.get(f"/v1/executions/{run['uuid']}")).json
    for by in ("uuid", "number", "oid"):
        for fence in (None, 1, lease["fence"], 2, 2**31):
            more = {} if fence is None else {"fence": fence, "worker": "w"}
            (await report(stranger, str(run[by]), **more)).problem(404, "not-found")
        lines = (
            b'{"op": "report", "execution": "%s", "fence": 1, "reports": [{"type": "paused"}]}\n'
            b'{"op": "report", "execution": "%s", "reports": [{"type": "finished"}]}\n'
            b'{"op": "cancel", "execution": "%s"}\n'
        ) % ((str(run[by]).encode(),) * 3)
        answer = await stranger.post("/v1/reports", lines)
        assert [line["status"] for line in answer.lines] == [404, 404, 404]
    assert (await server.get(f"/v1/executions/{run['uuid']}")).json == before
    (await server.finish(lease, outcome="ok"))
    await server.assert_sound()


async def test_a_fence_is_neither_guessed_nor_kept(server: Server) -> None:
    """Past, future and made-up fences are refused; without the role, or without a fence, too."""
    await server.define(policies={"retry": {"max_attempts": 3, "delay_s": 0}})
    run = await server.run()
    [first] = await server.claim("one")
    (await server.report(first, {"type": "handed_back"})).expect(200)
    [second] = await server.claim("two")
    assert second["fence"] > first["fence"]
    worker = await server.caller("worker")
    for fence in (first["fence"], second["fence"] + 1, 2**31 - 1, 2**70):
        (await report(worker, run["uuid"], fence=fence)).problem(409, "fenced")
    for fence in (0, -1, 1.5, "1", True):
        (await report(worker, run["uuid"], fence=fence)).problem(400, "malformed-request")
    (await report(worker, run["uuid"])).problem(403, "forbidden", "$.fence")
    for role in ("viewer", "operator", "auditor"):
        caller = await server.caller(role)
        (await report(caller, run["uuid"], fence=second["fence"])).problem(403, "forbidden")
        (await caller.post(f"/v1/work/{second['lease']}/heartbeat")).problem(403, "forbidden")
    recorder = await server.caller("recorder")
    (await report(recorder, run["uuid"], fence=second["fence"])).problem(403, "forbidden")
    (await server.post(f"/v1/work/{first['lease']}/heartbeat")).problem(409, "lease-lost")
    types = [event["type"] for event in await server.events(run["uuid"])]
    assert types.count("report.refused") == 1, "the stale one is on record, and the made-up are not"
    (await server.finish(second, outcome="ok"))


ECHO: Final = (
    "import json, os, sys\n"
    "json.dump({'argv': sys.argv[1:], 'env': dict(os.environ), 'stdin': sys.stdin.read()}, "
    "open(os.environ['OUT'], 'w'))"
)


async def test_a_callers_words_are_data_to_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters and input come as prefixed variables and standard input: no argument, no shell."""
    monkeypatch.setenv("JOBLEDGER_KEY", "SECRET")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    out = tmp_path / "out.json"
    argv = [sys.executable, "-c", ECHO, "$HOME", "{parameter}", "%PATH%"]
    for word in WORDS:
        given = {
            "PATH": word,
            "LD_PRELOAD": word,
            "x; touch /tmp/x": word,
            word: "by its name",
            "list": [word, {"a": word}],
        }
        step = context(tmp_path, **given)
        step = step.__class__(
            **{
                **{name: getattr(step, name) for name in step.__struct_fields__},
                "settings": {"argv": argv, "env": {"OUT": str(out)}},
                "input": {"word": word},
            }
        )
        result = await run_command(step)
        assert result.outcome == "ok", result
        told = StepTold(out)
        assert told.argv == ["$HOME", "{parameter}", "%PATH%"]
        assert told.env["PATH"] == os.environ["PATH"]
        assert "LD_PRELOAD" not in told.env
        assert "SECRET" not in repr(told.env)
        own = {name for name in told.env if name.startswith("JOBLEDGER_PARAM_")}
        assert told.env["JOBLEDGER_PARAM_LD_PRELOAD"] == word
        assert len(own) == len(given)


class StepTold:
    """What the echoing program saw."""

    def __init__(self, out: Path) -> None:
        told = json.loads(out.read_text())
        self.argv: list[str] = told["argv"]
        self.env: dict[str, str] = told["env"]
        self.stdin: str = told["stdin"]


async def test_a_python_step_takes_its_function_from_the_definition(tmp_path: Path) -> None:
    """No parameter, input or name of a caller's becomes a function, and names are names."""
    for function in ("os:system('id')", "os.path:join;x", "__import__('os')", "", "os", "a:b\n"):
        step = with_settings(context(tmp_path, function="os:getcwd"), function=function)
        with pytest.raises(StepFailed, match="settings are wrong"):
            await run_python(step)
    step = with_settings(context(tmp_path, function="os:getcwd", argv="x"))
    with pytest.raises(StepFailed, match="settings are wrong"):
        await run_python(step)


def with_settings(step: Any, **settings: Any) -> Any:
    """Give a step with a definition's settings."""
    told = {name: getattr(step, name) for name in step.__struct_fields__}
    return step.__class__(**{**told, "settings": settings})


async def test_an_http_step_goes_where_the_definition_says(tmp_path: Path) -> None:
    """A caller's words reach neither address nor headers, and a redirect is not followed unasked."""
    seen: list[Any] = []

    async def take(request: web.Request) -> web.Response:
        seen.append((request.path_qs, dict(request.headers), await request.text()))
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": "/inside"})
        return web.json_response({"ok": True})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        word = "x\r\nX-Forged: 1"
        step = context(tmp_path, url="http://127.0.0.1:9/", host=word)
        settings = {"url": f"{url}/a?b={{url}}", "send_input": True, "method": "POST"}
        result: StepResult = await run_http(with_settings(step, **settings))
        assert result.outcome == "ok"
        path, headers, body = seen.pop()
        assert path.startswith("/a?b=")
        assert "9" not in path
        assert "X-Forged" not in headers
        assert body in ("null", "")
        away = await run_http(with_settings(step, url=f"{url}/away"))
        assert (away.outcome, away.message) == ("error", "the answer's status was 302")
        assert [path for path, _, _ in seen] == ["/away"]
        asked = {"url": f"{url}/away", "follow_redirects": True}
        assert (await run_http(with_settings(step, **asked))).outcome == "ok"
        for bad in ("file:///etc/passwd", "gopher://127.0.0.1", "ftp://x", "//x", "javascript:x"):
            with pytest.raises(StepFailed, match="settings are wrong"):
                await run_http(with_settings(step, url=bad))
        for broken in ({"headers": {"X-A": word}}, {"method": "GET / HTTP/1.1\r\nX: "}):
            with pytest.raises((StepFailed, aiohttp.ClientError)):
                await run_http(with_settings(step, url=url, **broken))
    finally:
        await runner.cleanup()
