"""`/v1/export` and dossiers: events with all it takes to check them offline.

A dossier is for whoever may read the execution: of what others did it holds hashes, which nobody can
guess. An export of the log, or of any stream by name, is for auditors of all organizations.

What an export holds is proved in a signed head. A node that holds the ledger's key signs the very head
that the proof was made in; another one waits for the tree to stand where the last head was signed.
"""

import asyncio
from typing import Final

import structlog
from aiohttp import web

from api.audit import heads
from api.audit.export import Lines, log_lines, stream_lines
from api.audit.heads import Published
from api.native.call import Call
from api.native.executions import find
from api.native.problems import ProblemError, malformed
from ledger.errors import LedgerError
from ledger.ids import execution_stream
from ledger.merkle.streams import StreamProof
from projections.tree import query as tree

NDJSON: Final = "application/x-ndjson"
CHUNK_BYTES: Final = 64 * 1024
LOOK_S: Final = 0.1
MAX_NAME: Final = 1000

_log = structlog.get_logger(__name__)


async def dossier(call: Call) -> web.StreamResponse:
    """Export all events of one execution, with the proof that they are all."""
    state = await find(call, call.path("execution"), deleted=True)
    stream = execution_stream(state.uuid)
    proof, head = await _proved(call, stream)
    return await _send(
        call, stream_lines(call.node.store.pool, stream, proof, head), f"execution-{state.uuid}"
    )


async def export_log(call: Call) -> web.StreamResponse:
    """Export the log, or a part of it, or one stream; up to what is signed."""
    if call.readable is not None:
        raise ProblemError(
            403,
            "forbidden",
            "Your key does not act in all organizations.",
            "An export holds every organization's events; a dossier holds one execution's.",
        )
    pool = call.node.store.pool
    stream = call.query("stream")
    if stream is not None:
        if call.query("after") is not None or call.query("until") is not None:
            raise malformed("a stream is exported whole", "?stream")
        if not 0 < len(stream) <= MAX_NAME:
            raise malformed("this is no name of a stream", "?stream")
        proof, head = await _proved(call, stream)
        return await _send(call, stream_lines(pool, stream, proof, head), "stream")
    head = await _signed(call)
    after = call.query_integer("after", 0)
    until = call.query_integer("until", head.size)
    if until > head.size:
        raise malformed(f"only {head.size} events are signed", "?until")
    if after > until:
        raise malformed(f"{after} is behind {until}", "?after")
    return await _send(call, log_lines(pool, after, until, head), f"log-{after}-{until}")


async def _signed(call: Call) -> Published:
    """Give the newest signed head; of all that is in the log, if that can be signed now."""
    node = call.node
    if node.signer.standing.state in ("signing", "starting"):
        try:
            await node.covered("tree", node.store.tail.head)
            await node.signer.publish()
        except LedgerError as error:
            # Then what was signed last is exported: whoever checks it looks for what is wrong.
            _log.warning("export of what was signed before", error=type(error).__name__)
    newest = await heads.newest(node.store.pool)
    if newest is None:
        raise _not_signed()
    return newest


async def _proved(call: Call, stream: str) -> tuple[StreamProof, Published]:
    """Prove what there is of a stream, in a head that is signed."""
    node = call.node
    await node.covered("tree", call.minimum_position)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + node.settings.read_wait_s
    while True:
        head, proof = await tree.stream_proof(node.store.pool, stream)
        published = await node.signer.publish_exactly(head)
        if published is not None and published.streams_root == head.streams_root:
            return proof, published
        if loop.time() >= deadline:
            raise _not_signed()
        await asyncio.sleep(LOOK_S)


def _not_signed() -> ProblemError:
    return ProblemError(
        503,
        "not-signed",
        "The tree is not signed as it stands.",
        "See `signing` of /v1/tree; a node that holds the ledger's key can tell more.",
        retry_after_s=1,
    )


async def _send(call: Call, lines: Lines, name: str) -> web.StreamResponse:
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{name}.jsonl"',
        "X-Content-Type-Options": "nosniff",
    }
    if call.request.method == "HEAD":
        return web.Response(headers=headers, content_type=NDJSON)
    response = web.StreamResponse(headers=headers)
    response.content_type = NDJSON
    await response.prepare(call.request)
    timeout_s = call.node.settings.client_timeout_s
    chunk = bytearray()
    async for line in lines:
        chunk += line
        chunk += b"\n"
        if len(chunk) >= CHUNK_BYTES:
            async with asyncio.timeout(timeout_s):
                await response.write(bytes(chunk))
            chunk.clear()
    async with asyncio.timeout(timeout_s):
        await response.write(bytes(chunk))
        await response.write_eof()
    return response
