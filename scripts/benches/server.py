"""The real server with two more routes that leave the ledger out, to compare with.

`/echo` gives the bytes of its body back. `/v1/echo` is a route like any other of the API: it
authenticates, decodes the body into its type, and encodes it again.
"""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import uvloop
from aiohttp import web

from api import memory
from api.app import build_runner, guarded
from api.auth.credentials import ensure_credentials
from api.auth.principal import OPERATORS
from api.log import configure_logging
from api.native.call import Call, answer
from api.native.wire import ExecutionPost
from api.node import Node
from api.route import Route
from api.settings import from_environment, preferred_views
from ledger.store.embedded import EmbeddedPostgres


async def echo_bytes(request: web.Request) -> web.Response:
    """Give the body back."""
    return web.Response(body=await request.read(), content_type="application/json")


async def echo(call: Call) -> web.Response:
    """Give the decoded body back."""
    return answer(await call.optional_body(ExecutionPost), status=201)


async def main(port: int, data: Path) -> None:
    """Serve until interrupted."""
    configure_logging("console", "warning")
    views = os.environ.get("JOBLEDGER_VIEWS") or preferred_views()
    settings = from_environment(port=port, data=data, views=views, log_level="warning")
    data.mkdir(parents=True, exist_ok=True)
    postgres = EmbeddedPostgres(data / "postgres")
    dsn = await postgres.start()
    (data / "dsn").write_text(dsn)
    node = await Node.open(dsn, settings)
    route = Route(
        method="POST", path="/v1/echo", handler=echo, roles=OPERATORS, summary="Echo", tag="bench"
    )
    runner = build_runner(node)
    try:
        runner.app.router.add_post("/echo", echo_bytes)
        runner.app.router.add_post(route.path, guarded(route))
        await ensure_credentials(data, f"http://127.0.0.1:{port}", node.keys)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        memory.settle()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    finally:
        await runner.cleanup()
        await node.close()
        await postgres.stop()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2])))
