"""The real server, with one more route: an echo that does nothing, to compare with."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

import uvloop
from aiohttp import web

from api import memory
from api.app import build_app
from api.auth.credentials import ensure_credentials
from api.log import configure_logging
from api.node import Node
from api.settings import from_environment
from ledger.store.embedded import EmbeddedPostgres


async def echo(request: web.Request) -> web.Response:
    """Give the body back."""
    return web.Response(body=await request.read(), content_type="application/json")


async def main(port: int, data: Path) -> None:
    """Serve until killed."""
    configure_logging("console", "warning")
    settings = from_environment(port=port, data=data)
    data.mkdir(parents=True, exist_ok=True)
    postgres = EmbeddedPostgres(data / "postgres")
    node = await Node.open(await postgres.start(), settings)
    try:
        app = build_app(node)
        app.router.add_post("/echo", echo)
        await ensure_credentials(data, f"http://127.0.0.1:{port}", node.keys)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        memory.settle()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    finally:
        await node.close()
        await postgres.stop()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2])))
