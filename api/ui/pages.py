"""Serves the page's files out of memory, under a strict Content-Security-Policy.

All files are read once, when this module is. What is asked for is looked up among their names, so
no path leads to any other file. Files are addressed under a digest of all of them and may be kept
for ever; the document names the digest, and is given for every address below `/ui` that is no file,
because the address is the page's own to read.
"""

import gzip
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from aiohttp import web
from msgspec import Struct

FOLDER: Final = Path(__file__).parent / "page"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
SECURITY: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
FOR_EVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"
_PLACEHOLDER: Final = b"/ui/-/version/"
_DOCUMENT: Final = "index.html"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class File(Struct, frozen=True, kw_only=True):
    """A file as it is sent."""

    content: bytes
    zipped: bytes
    content_type: str
    etag: str
    """The digest of the content, without quotes."""


def read_files(folder: Path) -> tuple[str, dict[str, File]]:
    """Read what is served: the version of it all, and the files by their names below it."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in _TYPES
    }
    version = _digest(*(part for name in found for part in (name.encode(), found[name])))
    document = found[_DOCUMENT].replace(_PLACEHOLDER, f"/ui/-/{version}/".encode())
    return version, {
        name: _file(name, document if name == _DOCUMENT else content)
        for name, content in found.items()
    }


def _file(name: str, content: bytes) -> File:
    return File(
        content=content,
        zipped=gzip.compress(content, mtime=0),
        content_type=_TYPES[Path(name).suffix],
        etag=_digest(content),
    )


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return digest.hexdigest()[:16]


_VERSION, _FILES = read_files(FOLDER)


async def document(request: web.Request) -> web.Response:
    """Give the page itself."""
    return _send(request, _FILES[_DOCUMENT], ASK_AGAIN)


async def file(request: web.Request) -> web.Response:
    """Give one of the page's files.

    Raises:
        HTTPNotFound: there is none of that name, or the page has changed since.
    """
    found = _FILES.get(request.match_info["name"])
    if found is None or request.match_info["version"] != _VERSION:
        raise web.HTTPNotFound
    return _send(request, found, FOR_EVER)


async def to_page(_request: web.Request) -> web.Response:
    """Lead a visitor of the bare address to the page."""
    return web.Response(status=307, headers={"Location": "/ui/", "Cache-Control": ASK_AGAIN})


def routes() -> Iterable[web.AbstractRouteDef]:
    """Give the page's addresses, open to everybody: they hold nothing of the ledger."""
    return (
        web.get("/", to_page),
        web.get("/ui", to_page),
        web.get("/ui/-/{version}/{name:.+}", file),
        web.get("/ui/{view:.*}", document),
    )


def _send(request: web.Request, found: File, caching: str) -> web.Response:
    """Answer with a file, or say that the visitor has it (RFC 9110 section 13.1.2)."""
    zips = "gzip" in request.headers.get("Accept-Encoding", "")
    etag = f'"{found.etag}-gzip"' if zips else f'"{found.etag}"'
    headers = {"Cache-Control": caching, "ETag": etag, "Vary": "Accept-Encoding", **SECURITY}
    known = request.headers.get("If-None-Match", "")
    if etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = found.content_type
    if zips:
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=found.zipped if zips else found.content, headers=headers)
