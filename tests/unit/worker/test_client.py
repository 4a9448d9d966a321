"""The client repeats what may be repeated, and tells refusals apart."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from api.client import errors
from api.client.session import Ledger
from api.native.wire import KeyPost
from tests.integration.worker_processes import free_port


class Script:
    """A server that answers from a list of statuses, and remembers the requests."""

    def __init__(self, *statuses: int, kind: str = "x") -> None:
        self.statuses = list(statuses)
        self.kind = kind
        self.seen: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with the next status; 0 breaks the connection."""
        await request.read()
        self.seen.append(request)
        status = self.statuses.pop(0)
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        if status == 200:
            return web.json_response({"jobs": [], "executions": [], "position": 1})
        headers = {"Retry-After": "0"} if status == 503 else {}
        problem = {"type": f"/problems/{self.kind}", "title": "no", "status": status}
        return web.json_response(problem, status=status or 500, headers=headers)


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[Ledger]:
    """Connect to a scripted server."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.answer)
    async with TestServer(app) as server, Ledger(str(server.make_url("/")), "k") as ledger:
        yield ledger


async def test_reads_outlast_broken_connections_and_busy_servers() -> None:
    """A read is repeated until it gets through."""
    script = Script(0, 503, 0, 200)
    async with scripted(script) as ledger:
        assert (await ledger.jobs.list()).position == 1
    assert script.seen[0].headers["Authorization"] == "Bearer k"


async def test_a_creation_is_repeated_under_one_key() -> None:
    """All tries of one call carry the same idempotency key, and two calls do not."""
    script = Script(0, 409, 409)
    async with scripted(script) as ledger:
        for _ in range(2):
            with pytest.raises(errors.Conflict):
                await ledger.executions.create("A job / with signs")
    keys = [request.headers["Idempotency-Key"] for request in script.seen]
    assert keys[0] == keys[1] != keys[2]
    assert script.seen[0].raw_path.startswith("/v1/jobs/A%20job%20%2F%20with%20signs/")


async def test_what_is_not_idempotent_is_sent_once() -> None:
    """A new key whose answer is lost is left to the caller."""
    script = Script(0)
    async with scripted(script) as ledger:
        with pytest.raises(errors.Unreachable):
            await ledger.keys.create(KeyPost(name="n", roles=("viewer",)))
    assert len(script.seen) == 1


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (400, "x", errors.BadRequest),
        (401, "x", errors.AccessDenied),
        (403, "x", errors.AccessDenied),
        (404, "x", errors.NotFound),
        (409, "x", errors.Conflict),
        (409, "fenced", errors.Fenced),
        (412, "x", errors.Conflict),
        (422, "x", errors.BadRequest),
        (500, "x", errors.ServerFault),
    ],
)
async def test_refusals_are_told_apart(
    status: int, kind: str, expected: type[errors.Refused]
) -> None:
    """Each status and type has its error, with the problem attached, and is not repeated."""
    script = Script(status, kind=kind)
    async with scripted(script) as ledger:
        with pytest.raises(errors.Refused) as caught:
            await ledger.jobs.get("j")
    assert type(caught.value) is expected
    assert caught.value.problem.status == status


async def test_a_lasting_lack_of_room_is_told_in_the_end() -> None:
    """Repeats are bounded."""
    async with scripted(Script(*[503] * 9)) as ledger:
        with pytest.raises(errors.Busy):
            await ledger.jobs.list()


async def test_an_answer_of_another_form_is_an_error_of_its_own() -> None:
    """What cannot be read is not taken for an answer."""
    async with scripted(Script(200)) as ledger:
        with pytest.raises(errors.BadAnswer):
            await ledger.jobs.get("j")


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    """Nobody listening is told as that."""
    async with Ledger(f"http://127.0.0.1:{free_port()}", "k") as ledger:
        assert not await ledger.is_ready()
        with pytest.raises(errors.Unreachable, match="refused"):
            await ledger.keys.create(KeyPost(name="n", roles=("viewer",)))
