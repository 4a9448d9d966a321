"""A real server in the test's own process, and callers that talk to it over TCP."""

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
import msgspec
from aiohttp import web

from api.app import build_runner
from api.auth.credentials import Credentials, ensure_credentials
from api.node import Node
from api.settings import Settings
from ledger.events.keys import Role
from projections.registry import PROJECTORS
from projections.verify import verify
from tests.waiting import eventually

STEP: Final = {"step_id": "one", "step_type_id": "command"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        """Read the body as JSON."""
        return msgspec.json.decode(self.raw)

    @property
    def lines(self) -> list[Any]:
        """Read the body as NDJSON."""
        return [msgspec.json.decode(line) for line in self.raw.splitlines()]

    def expect(self, status: int) -> Self:
        """Fail with the whole answer unless it has that status."""
        assert self.status == status, f"{self.status}, not {status}: {self.raw[:500]!r}"
        return self

    def problem(self, status: int, kind: str = "", path: str | None = None) -> Any:
        """Fail unless it is a problem document of that kind, about that part of the request."""
        body = self.expect(status).json
        assert self.headers["Content-Type"].startswith("application/problem+json")
        assert body["status"] == status
        assert body["title"]
        assert body["type"].startswith("/problems/")
        assert body["request_id"] == self.headers["X-Request-Id"]
        if kind:
            assert body["type"] == f"/problems/{kind}", body
        if path is not None:
            assert body.get("path") == path, body
        return body


class Caller:
    """Calls one server under one key, or under none."""

    def __init__(self, url: str, session: aiohttp.ClientSession, key: str = "") -> None:
        self.url = url
        self.session = session
        self.key = key
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def under(self, key: str) -> "Caller":
        """Give another caller of the same server."""
        return Caller(self.url, self.session, key)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """Make one request; bytes are sent as they are, everything else as JSON."""
        sent = {**self._headers, **(headers or {})}
        content = None
        if body is not None:
            content = body if isinstance(body, bytes) else msgspec.json.encode(body)
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(
            method,
            self.url + path,
            data=io.BytesIO(content) if content is not None else None,
            headers=sent,
            params={name: str(value) for name, value in query.items()},
            skip_auto_headers=("Content-Type",),
            allow_redirects=False,
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **query: Any) -> Answer:
        """Read."""
        return await self.call("GET", path, **query)

    async def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        """Do."""
        return await self.call("POST", path, body, **more)

    async def put(self, path: str, body: Any = None, **more: Any) -> Answer:
        """Replace."""
        return await self.call("PUT", path, body, **more)

    async def patch(self, path: str, body: Any = None, **more: Any) -> Answer:
        """Change."""
        return await self.call("PATCH", path, body, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        """Delete."""
        return await self.call("DELETE", path, **more)

    async def head(self) -> int:
        """Give the position of the newest event."""
        position: int = (await self.get("/v1/events", limit=1)).expect(200).json["head"]
        return position

    async def define(
        self, job_id: str = "Job", *, steps: Sequence[Any] = (STEP,), **definition: Any
    ) -> Any:
        """Define a job."""
        body = {"steps": list(steps), **definition}
        answer = await self.put(f"/v1/jobs/{job_id}", body)
        assert answer.status in (200, 201), answer
        return answer.json

    async def run(self, job_id: str = "Job", **body: Any) -> Any:
        """Create an execution."""
        return (await self.post(f"/v1/jobs/{job_id}/executions", body)).expect(201).json

    async def claim(self, worker: str = "w", *, limit: int = 1, wait_s: float = 0) -> list[Any]:
        """Claim work."""
        post = {"worker": worker, "step_types": ["command"], "limit": limit, "wait_s": wait_s}
        leases: list[Any] = (await self.post("/v1/work/claim", post)).expect(200).json["leases"]
        return leases

    async def report(self, lease: Any, *reports: Any) -> Answer:
        """Report under a lease."""
        body = {"reports": list(reports), "fence": lease["fence"]}
        return await self.post(f"/v1/executions/{lease['execution']['uuid']}/reports", body)

    async def finish(self, lease: Any, **more: Any) -> Any:
        """Report that the work ended."""
        return (await self.report(lease, {"type": "finished", **more})).expect(200).json

    async def events(self, uuid: str) -> list[Any]:
        """Read an execution's events."""
        answer = await self.get(f"/v1/executions/{uuid}/events", limit=1000)
        events: list[Any] = answer.expect(200).json["events"]
        return events


class Server(Caller):
    """A node behind TCP; as a caller it has every right."""

    def __init__(
        self, url: str, session: aiohttp.ClientSession, node: Node, credentials: Credentials
    ) -> None:
        super().__init__(url, session, credentials.admin_key)
        self.node = node
        self.credentials = credentials

    async def caller(
        self, *roles: Role, organizations: Sequence[str] = ("default",), name: str = "caller"
    ) -> Caller:
        """Make a key and give a caller that shows it."""
        body = {"name": name, "roles": roles, "organizations": organizations}
        return self.under((await self.post("/v1/keys", body)).expect(201).json["secret"])

    async def views_at(self, position: int) -> None:
        """Wait until every view covers *position*, whether anybody waits for it or not."""

        async def all_there() -> bool:
            views = (await self.get("/v1/projections")).expect(200).json["projections"]
            return all(view["position"] >= position for view in views)

        await eventually(all_there)

    async def assert_sound(self) -> None:
        """Compare every view with a fresh fold, and look for gaps in the log."""
        for projector in PROJECTORS:
            found = await verify(self.node.store.pool, self.node.store.tail, projector)
            assert found.is_sound, found
        positions = [
            row["position"]
            for row in await self.node.store.pool.fetch(
                "select position from ledger.events order by position"
            )
        ]
        assert positions == list(range(1, await self.node.store.head() + 1))


@asynccontextmanager
async def serving(database_url: str, data: Path, **settings: Any) -> AsyncIterator[Server]:
    """Serve one database, as `api.server` does."""
    known = Settings(
        data=data,
        database_url=database_url,
        **{"read_wait_s": 20.0, "shutdown_grace_s": 1.0, **settings},
    )
    node = await Node.open(database_url, known)
    try:
        runner = build_runner(node)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            url = f"http://{host}:{port}"
            credentials = await ensure_credentials(data, url, node.keys)
            async with aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=45),
            ) as session:
                yield Server(url, session, node, credentials)
        finally:
            await runner.cleanup()
    finally:
        await node.close()
