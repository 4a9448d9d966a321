"""Files of inputs and outputs: uploaded by workers and callers, downloaded by clients.

`POST /v1/data_factory/files?filename=…` takes the bytes as they are and answers with the object that
stands for the file, its SHA-256 included; whoever uploaded it puts that object into an input, or into
the output that it reports, and so into an event. `GET …/files/{id}` gives the bytes, or a range of
them. A file belongs to one organization, and does not exist for callers of another.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError

from api.auth.principal import OPERATORS, READERS, REPORTERS, WORKERS
from api.dialects.port import MalformedRequest
from api.dialects.product_live.files import OBJECT, is_file_id, url_of
from api.dialects.product_live.render import instant
from api.dialects.product_live.wire import RecordedFile
from api.mounts.keyed import keyed
from api.mounts.product_live_blobs import Blob, BlobFolder, Blobs, BlobTooLarge
from api.native.call import Call
from api.native.problems import ProblemError, malformed

MAX_FILENAME: Final = 255
_CHUNK: Final = 256 * 1024
_ANY_TYPE: Final = "application/octet-stream"


def folder_of(call: Call) -> Blobs:
    """Give the node's store of files."""
    settings = call.node.settings
    return BlobFolder(settings.files or settings.data / "files")


async def known_file(call: Call, blobs: Blobs, file_id: str, path: str) -> RecordedFile:
    """Tell what is known of a file that a request names.

    Raises:
        MalformedRequest: there is none that the caller may see.
    """
    blob = await blobs.get(file_id)
    if blob is None or not call.sees(blob.organization):
        raise MalformedRequest(f"{path}.id", "there is no such file")
    return recorded(blob)


def recorded(blob: Blob) -> RecordedFile:
    """Give the object that stands for a file in an event."""
    at = instant(blob.created_at)
    return RecordedFile(
        object=OBJECT,
        id=blob.id,
        createdAt=at,
        updatedAt=at,
        sha256=blob.sha256,
        size=blob.size,
        filename=blob.filename,
        mediaType=blob.media_type,
    )


async def upload(call: Call) -> web.Response:
    """Take a file."""
    told = call.request.content_type if "Content-Type" in call.request.headers else _ANY_TYPE
    if told.startswith("multipart/"):
        raise ProblemError(
            415, "unsupported-media-type", "Send the bytes of the file as the body, as they are."
        )
    filename = call.query("filename") or ""
    if len(filename) > MAX_FILENAME or not filename.isprintable() or set(filename) & set('/\\"'):
        raise malformed("this cannot be a file's name", "?filename")
    try:
        blob = await folder_of(call).put(
            _chunks(call),
            organization=call.organization,
            filename=filename,
            media_type=told[:100],
            now=call.node.clock(),
            max_bytes=call.node.settings.max_file_bytes,
        )
    except BlobTooLarge:
        raise ProblemError(
            413,
            "file-too-large",
            "The file is larger than allowed.",
            f"It may have {call.node.settings.max_file_bytes} bytes.",
        ) from None
    base_url = f"{call.request.scheme}://{call.request.host}"
    body = msgspec.to_builtins(recorded(blob)) | {"url": url_of(blob.id, base_url)}
    return web.json_response(
        body,
        status=201,
        headers={"Location": url_of(blob.id, "")},
        dumps=lambda value: msgspec.json.encode(value).decode(),
    )


async def _chunks(call: Call) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(call.node.settings.client_timeout_s):
                chunk = await call.request.content.read(_CHUNK)
        except TimeoutError:
            raise ProblemError(
                408, "request-timeout", "The body did not come in time.", path="$"
            ) from None
        except (web.RequestPayloadError, ContentEncodingError) as error:
            raise malformed(f"the body cannot be read: {type(error).__name__}", "$") from None
        if not chunk:
            return
        yield chunk


async def download(call: Call) -> web.StreamResponse:
    """Give a file's bytes; conditional and range requests are answered as usual."""
    file_id = call.path("file")
    blobs = folder_of(call)
    blob = await blobs.get(file_id) if is_file_id(file_id) else None
    if blob is None or not call.sees(blob.organization):
        raise ProblemError(404, "not-found", "There is no such file.")
    name = blob.filename or blob.id
    disposition = f"attachment; filename*=UTF-8''{_quoted(name)}"
    return web.FileResponse(
        blobs.path(blob),
        headers={
            "Content-Type": blob.media_type or _ANY_TYPE,
            "Content-Disposition": disposition,
            # What somebody uploaded never runs as a page of this site, however it is opened.
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Digest": f"sha-256={blob.sha256}",
        },
    )


def _quoted(name: str) -> str:
    return "".join(
        letter
        if letter.isascii() and (letter.isalnum() or letter in "._-")
        else "".join(f"%{byte:02X}" for byte in letter.encode())
        for letter in name
    )


FILE_ROUTES: Final = (
    web.post("/v1/data_factory/files", keyed(upload, OPERATORS | REPORTERS)),
    web.get("/v1/data_factory/files/{file}", keyed(download, READERS | WORKERS)),
)
