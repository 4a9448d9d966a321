"""`/healthz`, `/readyz`, `/metrics`: for whoever keeps the process running."""

import asyncio
from typing import Final

from aiohttp import web

from api.metrics import METRICS
from api.native.call import NODE, Call, answer
from ledger.errors import LedgerError

READY_TIMEOUT_S: Final = 2.0


async def healthz(_request: web.Request) -> web.Response:
    """Say that the process is alive."""
    return answer({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Say whether requests can be served: the database answers, and views know what it holds."""
    node = request.app[NODE]
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            head = await node.store.head()
            await node.catch_up()
    except (LedgerError, TimeoutError) as error:
        return answer({"status": "unavailable", "reason": type(error).__name__}, status=503)
    return answer({"status": "ready", "head": head})


async def metrics(call: Call) -> web.Response:
    """Give the process's measurements in the Prometheus text form."""
    body, content_type = await call.request.app[METRICS].render(call.node)
    return web.Response(body=body, headers={"Content-Type": content_type})
