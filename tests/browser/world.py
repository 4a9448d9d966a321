"""A ledger with one of everything that the page shows, made over HTTP with a real worker."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from ledger.clock import system_clock
from tests.api.serving import Caller
from tests.integration.worker_processes import Site
from tests.waiting import eventually

MARKUP: Final = "<img src=x onerror=alert(1)><script>alert(2)<\\script>"
BACKWARDS: Final = "\u202eevil\u202c שלום עולם مرحبا"
LONG: Final = "x" * 10_000
WIDE: Final = "W" * 240
"""As long as a name may be, without a place to break."""

SAY: Final = {
    "step_id": "say",
    "step_type_id": "command",
    "description": "Says hello",
    "with": {"argv": ["sh", "-c", 'echo "hello"; echo \'::output {"said": "hello"}\'']},
}
REST: Final = {"step_id": "rest", "step_type_id": "sleep", "with": {"seconds": 0.6}}
LASTING: Final = {"step_id": "rest", "step_type_id": "sleep", "with": {"seconds": 3000}}
FAILING: Final = {"step_id": "fail", "step_type_id": "command", "with": {"argv": ["false"]}}
GREETING: Final = {
    "description": "Says hello, rests, and says it again.",
    "tags": ["example"],
    "labels": {"team": "crm"},
    "steps": [SAY, REST, {**SAY, "step_id": "say-again"}],
    "parameters": [
        {"name": "who", "type": "string", "required": True, "description": "Whom to greet"},
        {"name": "times", "type": "integer", "default": 1},
        {"name": "loud", "type": "boolean"},
        {"name": "extra", "type": "any"},
    ],
}


class World:
    """The ledger, and the names of what is in it."""

    def __init__(self, site: Site, caller: Caller) -> None:
        self.site = site
        self.caller = caller
        self.runs: dict[str, Any] = {}
        """Executions by what they are good for."""

    async def key(self, *roles: str) -> str:
        """Make a key and give its secret."""
        body = {"name": f"a {roles[0]}", "roles": roles, "organizations": ["default"]}
        secret: str = (await self.caller.post("/v1/keys", body)).expect(201).json["secret"]
        return secret

    async def run(self, job_id: str, **body: Any) -> Any:
        """Create an execution."""
        return await self.caller.run(job_id, **body)

    async def until(self, run: Mapping[str, Any], *statuses: str) -> Any:
        """Wait until an execution has one of these statuses."""

        async def look() -> Any:
            now = (await self.caller.get(f"/v1/executions/{run['uuid']}")).expect(200).json
            return now if now["status"] in statuses else None

        return await eventually(look, deadline_s=40)


@asynccontextmanager
async def world(site: Site) -> AsyncIterator[World]:
    """Fill a ledger; its worker has places enough for what never ends."""
    async with aiohttp.ClientSession() as session:
        made = World(site, Caller(site.url, session, site.key))
        await site.worker("worker-one", "--concurrency", "8")
        await _define(made.caller)
        await _run(made)
        await _follow(made.caller)
        yield made


async def _define(caller: Caller) -> None:
    for job_id, definition in {
        "Greeting": GREETING,
        "Slow": {
            "steps": [LASTING],
            "description": "Takes most of an hour.",
            "policies": {"pause_grace_s": 1},
        },
        "Broken": {"steps": [SAY, FAILING]},
        "Scheduled": {"steps": [LASTING], "policies": {"when_running": "reject"}},
    }.items():
        (await caller.put(f"/v1/jobs/{job_id}", definition)).expect(201)
    hostile = {
        "name": MARKUP,
        "description": f"{BACKWARDS} {LONG[:3800]}",
        "tags": [MARKUP[:99], BACKWARDS, WIDE[:99]],
        "labels": {WIDE[:99]: MARKUP},
        "steps": [{**SAY, "step_id": WIDE, "description": MARKUP}, {**FAILING, "step_id": MARKUP}],
        "parameters": [{"name": MARKUP, "description": BACKWARDS}, {"name": WIDE}],
    }
    for job_id in (MARKUP.replace("/", ""), WIDE):
        body = {"job_id": job_id, "definition": hostile}
        (await caller.post("/v1/jobs", body)).expect(201)
    now = system_clock()
    soon = [(now + timedelta(seconds=each)).isoformat() for each in (1, 2)]
    later = (now + timedelta(days=1)).isoformat()
    schedule = {"at": [*soon, later], "time_zone": "Europe/Berlin"}
    (await caller.put("/v1/jobs/Scheduled/schedule", schedule)).expect(200)


async def _follow(caller: Caller) -> None:
    consumer = {"types": ["execution.finished"], "job_id": "Greeting"}
    (await caller.put("/v1/consumers/mirror", consumer)).expect(201)
    webhook = {"name": "nowhere", "url": "https://nowhere.invalid/events"}
    (await caller.post("/v1/webhooks", webhook)).expect(201)
    (await caller.post("/v1/webhooks/nowhere/test")).expect(200)


async def _run(made: World) -> None:
    runs = made.runs
    who = [{"name": "who", "value": "world"}]
    for name in ("ok", "ok-again", "to-delete"):
        runs[name] = await made.run("Greeting", parameters=who)
    runs["broken"] = await made.run("Broken")
    runs["slow"] = await made.run("Slow")
    runs["paused"] = await made.run("Slow", name="a paused one")
    runs["waits"] = await made.run("Greeting", parameters=who, waits_for=[runs["slow"]["uuid"]])
    in_a_day = (system_clock() + timedelta(days=1)).isoformat()
    runs["later"] = await made.run("Greeting", parameters=who, run_at=in_a_day)
    for name, job_id in (("markup", MARKUP.replace("/", "")), ("wide", WIDE)):
        words = [{"name": MARKUP, "value": LONG}, {"name": WIDE, "value": BACKWARDS}]
        post = {
            "name": BACKWARDS,
            "description": MARKUP,
            "parameters": words,
            "input": {MARKUP: [LONG, BACKWARDS]},
        }
        path = f"/v1/jobs/{quote(job_id, safe='')}/executions"
        runs[name] = (await made.caller.post(path, post)).expect(201).json
    await made.until(runs["slow"], "running")
    await made.until(runs["paused"], "running")
    path = f"/v1/executions/{runs['paused']['uuid']}/pause"
    (await made.caller.post(path, {"reason": "for the picture"})).expect(200)
    for name in ("ok", "ok-again", "to-delete", "broken", "markup", "wide"):
        runs[name] = await made.until(runs[name], "finished")
    runs["paused"] = await made.until(runs["paused"], "paused")
