"""What a page on some other site can make a browser do here: nothing."""

import hashlib
import re
from base64 import b64decode, b64encode
from typing import Final

from tests.api.serving import Server
from tests.security.forms import failed
from tests.security.raw import ask
from tests.security.table import TABLE
from tests.security.test_routes import NOWHERE, visit

EVIL: Final = "https://evil.example"
FROM_ELSEWHERE: Final[tuple[dict[str, str], ...]] = (
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": "http://[broken"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": EVIL},
)


def basic(server: Server) -> dict[str, str]:
    """Show the password, as a browser does by itself once it knows it."""
    told = f"{server.credentials.user}:{server.credentials.password}"
    return {"Authorization": f"Basic {b64encode(told.encode()).decode()}"}


async def test_another_sites_form_changes_nothing(server: Server) -> None:
    """Whatever changes something is refused under Basic when it comes from elsewhere."""
    await server.define("Nothing")
    head = await server.head()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    nobody = server.under("")
    for entry in TABLE:
        if entry.roles is None or entry.method == "GET":
            continue
        for told in FROM_ELSEWHERE:
            address, headers = entry.address(NOWHERE), {**basic(server), **told}
            for more in (form, {}):
                answer = await nobody.call(entry.method, address, headers=headers | more)
                failed(entry.api, answer, 403)
                assert b"another site" in answer.raw.lower(), (entry.key, answer)
    assert await server.head() == head


async def test_our_own_pages_and_programs_are_let_through(server: Server) -> None:
    """The same site, no browser at all, and keys that no browser adds are not held up."""
    await server.define()
    path, nobody = "/v1/jobs/Job/executions", server.under("")
    host = server.url.removeprefix("http://")
    for told in (
        {},
        {"Origin": f"http://{host}"},
        {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{host}"},
        {"Sec-Fetch-Site": "none"},
    ):
        (await nobody.post(path, {}, headers=basic(server) | told)).expect(201)
    for told in FROM_ELSEWHERE:
        (await server.post(path, {}, headers=told)).expect(201)
        (await nobody.post(path, {}, headers={"X-Api-Key": server.key, **told})).expect(201)
        (await nobody.call("GET", "/v1/jobs", headers=basic(server) | told)).expect(200)


async def test_no_other_site_may_read_anything(server: Server) -> None:
    """No answer, and no answer to a preflight, allows another origin."""
    preflight = {"Origin": EVIL, "Access-Control-Request-Method": "GET"}
    for entry in TABLE:
        asked = await server.call("OPTIONS", entry.address(NOWHERE), headers=preflight)
        told = await visit(server, entry, NOWHERE, {"Origin": EVIL})
        assert asked.status in (404, 405), entry.key
        for answer in (asked, told):
            assert not [name for name in answer.headers if name.lower().startswith("access-")]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert not [name for name in answer.headers if name.lower() == "set-cookie"]


async def test_an_uploaded_page_does_not_run_here(server: Server) -> None:
    """An upload is only ever saved: as an attachment, not sniffed, and with nothing allowed."""
    page = b"<script>alert(document.domain)</script>"
    path = "/v1/data_factory/files?filename=page.html"
    for kind in ("text/html", "image/svg+xml", "application/xhtml+xml"):
        made = await server.post(path, page, headers={"Content-Type": kind})
        answer = await server.get(made.expect(201).headers["Location"])
        assert answer.expect(200).raw == page
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


async def test_the_docs_page_runs_its_own_script_only(server: Server) -> None:
    """Its policy names the digests of what it holds, and allows nothing inline besides."""
    answer = await server.under("").get("/docs")
    policy = answer.expect(200).headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    for kind in ("script", "style"):
        [digest] = re.findall(rf"{kind}-src 'sha256-([^']+)'", policy)
        [part] = re.findall(rf"<{kind}>(.*?)</{kind}>".encode(), answer.raw, re.DOTALL)
        assert b64decode(digest) == hashlib.sha256(part).digest()
    assert not re.search(rb"<[^>]+\son[a-z]+\s*=|<[^>]+\sstyle\s*=|<script\s+src", answer.raw)


async def test_markup_comes_back_as_data(server: Server) -> None:
    """Markup in names and texts is answered as JSON, or escaped in XML, never as a page."""
    markup = "<script>alert(1)</script>"
    (await server.post("/v1/jobs", {"job_id": "<b>", "definition": {"name": markup}})).expect(201)
    for path in ("/v1/jobs", f"/v1/jobs/{markup.replace('/', '%2F')}", f"/v2/jobs/{markup[:8]}"):
        answer = await server.call("GET", path, headers={"Accept": "text/html"})
        assert "json" in answer.headers["Content-Type"], path
    search = {"query": {"term_query": {"fields": [markup], "operator": "is", "values": [markup]}}}
    answer = await server.post("/dw/data/v17_4/job_execution_search.xml", search)
    assert answer.headers["Content-Type"].startswith("application/xml")
    assert markup.encode() not in answer.raw
    assert b"&lt;script&gt;" in answer.raw


async def test_what_is_not_http_is_not_quoted_back(server: Server) -> None:
    """Bytes that are no request get a fixed problem document, and the connection is closed."""
    for path, headers in (
        (b"/v1/<script>\xff", {}),
        (b"/v1/jobs", {"X-A": b"<script>\x00"}),
        (b"/v1/jobs", {"Content-Length": "1x"}),
        (b"/v1/jobs", {"Transfer-Encoding": "chunked, identity"}),
        (b"/v1/jobs", {"Content-Encoding": "br"}),
    ):
        answer = await ask(server, "GET", path, headers=headers)
        failed("native", answer, 400)
        assert b"script" not in answer.raw
        assert server.key.encode() not in answer.raw
