"""`/healthz`, `/readyz`, `/metrics`: for whoever keeps the process running."""

import asyncio
from typing import Final

from aiohttp import web

from api.metrics import METRICS
from api.native.call import NODE, Call, answer
from ledger.errors import LedgerError

READY_TIMEOUT_S: Final = 2.0


async def healthz(request: web.Request) -> web.Response:
    """Say that the process is alive, and whether what it keeps can be believed.

    A tree that contradicts what was signed does not end by itself, nor by a new start of the process,
    so the status stays 200: who watches the ledger reads the body.
    """
    return answer({"status": "inconsistent-tree" if is_inconsistent(request) else "ok"})


def is_inconsistent(request: web.Request) -> bool:
    """Whether the tree contradicts a head that was signed."""
    return request.app[NODE].signer.standing.state == "inconsistent"


async def readyz(request: web.Request) -> web.Response:
    """Say whether requests can be served: the database answers, and views know what it holds."""
    node = request.app[NODE]
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            head = await node.store.head()
            await node.catch_up()
    except (LedgerError, TimeoutError) as error:
        return answer({"status": "unavailable", "reason": type(error).__name__}, status=503)
    tree = "inconsistent" if is_inconsistent(request) else "ok"
    return answer({"status": "ready", "head": head, "tree": tree})


async def metrics(call: Call) -> web.Response:
    """Give the process's measurements in the Prometheus text form."""
    body, content_type = await call.request.app[METRICS].render(call.node, call.readable)
    return web.Response(body=body, headers={"Content-Type": content_type})
