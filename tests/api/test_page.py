"""How the web page is served: its policy, its caching, and that nothing else is reached through it."""

import re
from pathlib import Path

from yarl import URL

from api.ui.pages import FOLDER, read_files
from tests.api.serving import Server

ASSET = re.compile(rb'"(/ui/-/[0-9a-f]{16}/app\.js)"')


async def _asset(server: Server) -> str:
    found = ASSET.search((await server.under("").get("/ui/")).expect(200).raw)
    assert found is not None
    return found[1].decode()


async def test_the_bare_address_leads_to_the_page(server: Server) -> None:
    """`/` and `/ui` lead to `/ui/`, without a key."""
    for path in ("/", "/ui"):
        answer = (await server.under("").get(path)).expect(307)
        assert answer.headers["Location"] == "/ui/"


async def test_the_policy_allows_nothing_inline(server: Server) -> None:
    """Every file comes with a policy that allows the page's own files only, and no markup from text."""
    for path in ("/ui/", "/ui/executions/1", await _asset(server)):
        headers = (await server.under("").get(path)).expect(200).headers
        policy = dict(
            part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert policy["trusted-types"] == "'none'"
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


async def test_files_are_kept_for_ever_and_the_document_is_asked_for_again(server: Server) -> None:
    """What a version names never changes; the document is checked by its entity tag."""
    visitor = server.under("")
    asset = (await visitor.get(await _asset(server))).expect(200)
    assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert asset.headers["Content-Type"] == "text/javascript; charset=utf-8"
    document = (await visitor.get("/ui/")).expect(200)
    assert document.headers["Cache-Control"] == "no-cache"
    known = {"If-None-Match": f'W/"x", {document.headers["ETag"]}'}
    again = (await visitor.call("GET", "/ui/now", headers=known)).expect(304)
    assert again.raw == b""
    old = re.sub(r"/-/\w+/", "/-/0123456789abcdef/", await _asset(server))
    (await visitor.get(old)).expect(404)


async def test_head_tells_what_get_would(server: Server) -> None:
    """HEAD gives the headers of GET and no body."""
    visitor = server.under("")
    for path in ("/ui/", await _asset(server)):
        told = (await visitor.call("HEAD", path)).expect(200)
        full = (await visitor.get(path)).expect(200)
        assert told.raw == b""
        assert told.headers["ETag"] == full.headers["ETag"]
        assert told.headers["Content-Length"] == full.headers["Content-Length"]


async def test_who_can_unzip_gets_less(server: Server) -> None:
    """A file is sent zipped to who accepts it, under an entity tag of its own."""
    path = server.url + await _asset(server)
    async with server.session.get(path, headers={"Accept-Encoding": "identity"}) as plain:
        content, tag = await plain.read(), plain.headers["ETag"]
    async with server.session.get(path, headers={"Accept-Encoding": "gzip"}) as zipped:
        assert zipped.headers["Content-Encoding"] == "gzip"
        assert zipped.headers["Vary"] == "Accept-Encoding"
        assert zipped.headers["ETag"] != tag
        assert await zipped.read() == content  # unzipped by the client
        assert int(zipped.headers["Content-Length"]) < len(content)


async def test_no_path_leads_out(server: Server) -> None:
    """Whatever is asked for below a version, only the page's files are given."""
    folder = (await _asset(server)).removesuffix("app.js")
    for name in (
        "../pages.py",
        "..%2fpages.py",
        "%2e%2e/pages.py",
        "../../auth/credentials.py",
        "%2fetc%2fpasswd",
        "app.js%00",
        "app.js/..",
        ".",
        "css",
    ):
        address = URL(f"{server.url}{folder}{name}", encoded=True)
        async with server.session.get(address, allow_redirects=False) as answer:
            assert answer.status == 404 or answer.content_type == "text/html", name
            assert b"SECURITY" not in await answer.read()


def test_another_content_is_another_version(tmp_path: Path) -> None:
    """A version stands for every byte of every file, and the document names it."""
    (tmp_path / "index.html").write_text('<script src="/ui/-/version/app.js">')
    (tmp_path / "app.js").write_text("1")
    first, files = read_files(tmp_path)
    assert first.encode() in files["index.html"].content
    (tmp_path / "app.js").write_text("2")
    assert read_files(tmp_path)[0] != first


def test_the_first_view_is_small() -> None:
    """All files of the page together, zipped, are well below what one view may transfer."""
    _, files = read_files(FOLDER)
    assert sum(len(file.zipped) for file in files.values()) < 100_000
