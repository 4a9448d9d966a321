"""Where secrets are not: files of others, arguments, environments, logs, events, measurements."""

import json
import os
import stat
from base64 import b64encode
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from api.cli.connection import read_credentials
from ledger.events.definition import Definition, StepDefinition
from tests.api.ocapi import ask_token
from tests.api.serving import Caller
from tests.integration.worker_processes import Site, site
from tests.security.test_injection import STEERING
from tests.waiting import eventually

PAYLOAD = "PAYLOAD-1f0c"


@pytest.fixture(autouse=True)
def careless() -> Any:
    """Begin as a careless operator does: new files are for everybody to read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def secrets_of(data: Path) -> dict[str, str]:
    """Read every secret that the first start made."""
    found = json.loads((data / "credentials.json").read_text())
    return {name: found[name] for name in ("admin_key", "client_secret", "api_key", "password")}


def descendants(pid: int) -> list[Path]:
    """Name a process and all below it, in /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                told = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(told[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(Path(f"/proc/{one}"))
        waiting.extend(children.get(one, ()))
    return found


async def live(here: Site, caller: Caller) -> list[str]:
    """Do something of everything, with a payload in it; give tokens and secrets that came of it."""
    known = read_credentials(here.data / "ledger")
    assert known is not None
    token = (await ask_token(caller, known.client_id, known.client_secret)).expect(200).json
    made = (await caller.post("/v1/keys", {"name": "k", "roles": ["viewer"]})).expect(201).json
    basic = b64encode(f"{known.user}:{known.password}".encode()).decode()
    await caller.define("Bad\u009b31m", description=PAYLOAD)
    (await caller.post("/v1/jobs", b'{"' + PAYLOAD.encode())).problem(400)
    (await caller.get(f"/v1/jobs/{PAYLOAD}")).problem(404)
    (await caller.get("/v1/jobs", tag=PAYLOAD)).expect(200)
    (await caller.under(f"jl_{PAYLOAD}").get("/v1/jobs")).problem(401)
    (await caller.under("").call("GET", "/v1/jobs", headers={"Authorization": f"Basic {basic}"}))
    (await caller.under(token["access_token"]).get("/v1/jobs")).expect(200)
    path = f"/v1/data_factory/files?filename={PAYLOAD}.txt"
    (await caller.post(path, PAYLOAD.encode())).expect(201)
    step = StepDefinition(
        step_id="env",
        step_type_id="command",
        settings={"argv": ["env"], "env_allow": ["LANG"]},
    )
    view = await here.run("Env", Definition(steps=(step,)))
    ended = await here.until_closed(view)
    assert ended.outcome == "ok"
    printed = ended.steps[0].log
    assert "PATH=" in printed
    assert "JOBLEDGER_KEY" not in printed
    return [token["access_token"], made["secret"], basic]


async def test_secrets_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a life of everything, in a data directory that is open to others."""
    data = tmp_path / "ledger"
    data.mkdir(mode=0o755)
    monkeypatch.setenv("JOBLEDGER_LOG_LEVEL", "debug")
    async with site(tmp_path) as here:
        monkeypatch.setenv("JOBLEDGER_KEY", here.key)
        worker = await here.worker("w")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            caller = Caller(here.url, session, here.key)
            secrets = [*secrets_of(data).values(), *await live(here, caller)]
            metrics = (await caller.get("/metrics")).expect(200).raw.decode()
            events = (await caller.get("/v1/events", limit=5000)).expect(200).raw.decode()
            openapi = (await caller.get("/openapi.json")).raw.decode()
        # Arguments are for everybody on the machine to read.
        processes = descendants(here.server.process.pid) + descendants(worker.process.pid)
        assert len(processes) > 8
        for process in processes:
            try:
                arguments = (process / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            assert not [secret for secret in secrets if secret in arguments], process
            assert PAYLOAD not in arguments
        postgres = [p for p in processes if b"postgres" in (p / "cmdline").read_bytes()[:200]]
        assert postgres
        log = here.server.log.read_text() + worker.log.read_text()
        for place, text in (("log", log), ("metrics", metrics), ("openapi", openapi)):
            assert not [secret for secret in secrets if secret in text], place
            assert PAYLOAD not in text, place
        assert not [secret for secret in secrets if secret in events]
        assert "/v1/jobs/{job_id}" in log, "there is a log to look at"
        for line in log.splitlines():
            assert not STEERING.search(line), line
        # Every file, PostgreSQL's too, and the folder of its socket.
        open_to_others = [
            path
            for path in [*data.rglob("*"), *sockets(data)]
            if stat.S_IMODE(path.lstat().st_mode) & 0o077 and not path.is_symlink()
            if not any(parent in private(data) for parent in path.parents)
        ]
        assert open_to_others == []
        kept = {path.name for path in data.iterdir()}
        assert {"credentials.json", "token-key.pem", "files", "postgres"} <= kept

        async def logged() -> bool:
            return "serving" in here.server.log.read_text()

        assert await eventually(logged)


def private(data: Path) -> list[Path]:
    """Name the folders that are closed themselves, so that what is in them is."""
    return [
        path
        for path in data.rglob("*")
        if path.is_dir() and not stat.S_IMODE(path.lstat().st_mode) & 0o077
    ]


def sockets(data: Path) -> list[Path]:
    """Name the folder of the embedded PostgreSQL's socket."""
    pid_file = (data / "postgres" / "cluster" / "postmaster.pid").read_text().splitlines()
    return [Path(pid_file[4])]
