"""`POST /v1/executions/{id}/erase`: forget what an execution was, everywhere.

What holds content, and how it goes:

- the log: salt and data of the execution's events, in the append's own transaction
- keys: the idempotency keys that the execution owns, in the same transaction
- leases: the worker's name, in the same transaction
- memory of every process: folded streams and recent events, told by the tail
- views: fold down to a husk; this answer waits for them, so that nobody reads the content after it
- what a view had set aside: freed by the erasure, its error text included
- what consumers said when they could not handle an event: in the same transaction
- stored files: removed unless another execution of the organization mentions them; their ids stand in
  `execution.erased`, so a repeat removes what a crash left

What is not the ledger's to remove: files that workers wrote, exports and pages that were handed out,
and executions that were made from this one (a restart has parameters and input of its own).
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import msgspec
from aiohttp import web

from api.dialects.product_live.files import PATH, is_file, is_file_id
from api.mounts.product_live_blobs import BlobFolder
from api.native.call import Call, answer
from api.native.executions import etag, find
from api.native.views import execution_view
from api.native.wire import ReasonPost
from ledger.errors import ProjectionLagging
from ledger.events.executions import ExecutionErased
from ledger.executions.state import ExecutionState
from ledger.ids import execution_stream
from projections.documents.mentions import mentioned
from projections.registry import PROJECTORS

FORGETTING: Final = tuple(p.name for p in PROJECTORS if p.interests is not None)


async def erase(call: Call) -> web.Response:
    """Remove for good what a closed execution's events say. Idempotent."""
    post = await call.optional_body(ReasonPost)
    state = await find(call, call.path("execution"), deleted=True)
    outcome = await call.node.erasure.erase(
        call.context(state.organization),
        state.uuid,
        reason=post.reason,
        files=await _own_files(call, state),
        if_version=call.if_version,
    )
    after = call.done(outcome)
    await _remove_files(call, after)
    await asyncio.gather(*(_forgotten(call, name) for name in FORGETTING))
    return answer(execution_view(after), headers=etag(after))


async def _own_files(call: Call, state: ExecutionState) -> tuple[str, ...]:
    """Name the stored files that only this execution mentions."""
    if state.is_open or state.erased:
        return ()
    records = await call.node.store.read_stream(execution_stream(state.uuid))
    named: set[str] = set()
    for record in records:
        named.update(_files_in(msgspec.to_builtins(record.event)))
    if not named:
        return ()
    await call.node.covered("executions")
    elsewhere = await mentioned(
        call.node.store.pool, named, organization=state.organization, besides=state.uuid
    )
    blobs = _folder_of(call)
    own: list[str] = []
    for file_id in sorted(named - elsewhere):
        blob = await blobs.get(file_id)
        if blob is not None and blob.organization == state.organization:
            own.append(file_id)
    return tuple(own)


def _files_in(value: Any) -> Iterator[str]:
    match value:
        case dict():
            if is_file(value):
                yield value["id"]
            for item in value.values():
                yield from _files_in(item)
        case list():
            for item in value:
                yield from _files_in(item)
        case str() if PATH in value:
            file_id = value.rpartition(PATH)[2]
            if is_file_id(file_id):
                yield file_id
        case _:
            return


async def _remove_files(call: Call, state: ExecutionState) -> None:
    """Remove what the erasure says is to go, also when an earlier try did not come so far."""
    last = await call.node.store.read_stream(execution_stream(state.uuid), after=state.version - 1)
    blobs = _folder_of(call)
    for record in last:
        if isinstance(record.event, ExecutionErased):
            for file_id in record.event.files:
                await blobs.remove(file_id)


def _folder_of(call: Call) -> BlobFolder:
    settings = call.node.settings
    return BlobFolder(settings.files or settings.data / "files")


async def _forgotten(call: Call, projection: str) -> None:
    """Wait until a view has forgotten; one that lags behind forgets when it comes so far."""
    with suppress(ProjectionLagging):
        await call.node.covered(projection)
