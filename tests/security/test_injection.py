"""Words that would be code elsewhere: in SQL, headers, logs, paths, archives and terminals they are words."""

import io
import json
import re
import stat
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from api.auth.principal import DEFAULT_ORGANIZATION
from api.cli import printing, problems
from api.cli.logs import log_to_stderr
from api.client.errors import Refused
from api.log import configure_logging
from api.native.wire import Problem
from api.worker.run import files_of
from api.worker.steps.port import StepContext
from api.worker.steps.registry import BUILT_IN
from api.worker.steps.result import StepFailed
from api.worker.steps.site_folder import archives, site
from api.worker.steps.site_import import run_site_import
from ledger.jobs.system import EXPORT_STEP
from tests.api.serving import Server
from tests.security.forms import failed, of_path
from tests.security.raw import ask

WORDS: Final = (
    "' or 1=1 --",
    '"; drop table ledger.events; --',
    "$1 $2::text",
    ":condition :column :value",
    "%",
    "_",
    "100%_\\",
    "\\",
    "a.*b(c)[d]{e}?+|^$",
    "{{7*7}} ${7*7} #{7*7} <%= 7 %>",
    "${jndi:ldap://127.0.0.1/a}",
    "<script>alert(1)</script>",
    "a\r\nSet-Cookie: a=b",
    "a\nb",
    "a\tb",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\u009b31m",
    "\u202eevil",
    "\u2028line",
    "../../etc/passwd",
    "..\\..\\x",
    "-rf",
    "--help",
    "$(id)`id`;id|id&",
    "éü🙂中",
    "null",
    "true",
    '"',
    "[bold]x[/bold]",
    "C:\\x:y",
)
STEERING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


async def test_any_word_is_kept_and_found_as_it_is(server: Server) -> None:
    """In names, tags, labels and inputs: stored as sent, found by itself, and by nothing else."""
    await server.define("Job")
    for word in WORDS:
        await server.run(
            "Job", name=word, tags=[word], labels={word: word}, input={"word": word, word: 1}
        )
    await server.run("Job", name="plain", tags=["plain"], input={"word": "plain"})
    minimum = {"Ledger-Min-Position": str(await server.head())}
    for word in WORDS:
        for query in ({"tag": word}, {"label": f"{word}={word}"}):
            if "," in word or ("=" in word and "label" in query):
                continue  # a comma parts tags, the first equals sign a label
            answer = await server.call("GET", "/v1/executions", headers=minimum, **query)
            found = answer.expect(200).json["executions"]
            assert [one["name"] for one in found] == [word], (query, found)
            assert found[0]["input"] == {"word": word, word: 1}
        exact: dict[str, Any] = {"caseSensitive": True, "value": word}
        for more in (
            {"type": "eq", "field": "info.title"},
            {"type": "in", "field": "info.title", "value": [word]},
            {"type": "eq", "field": "input.word"},
        ):
            answer = await server.post("/v1/job_executions/find", {**exact, **more})
            told = answer.expect(200).json["data"]
            assert [one["info"]["title"] for one in told] == [word], (more, told)
        holds: dict[str, Any] = {"type": "contains", "field": "info.title", **exact}
        titles = {
            one["info"]["title"]
            for one in (await server.post("/v1/job_executions/find?size=100", holds)).json["data"]
        }
        assert titles == {other for other in (*WORDS, "plain") if word in other}, word
        for operator in ("is", "neq"):
            term = {"fields": ["job_id"], "operator": operator, "values": [word]}
            search = {"query": {"term_query": term}, "count": 1}
            answer = await server.post("/dw/data/v17_4/job_execution_search", search)
            total = answer.expect(200).json["total"]
            assert total == (0 if operator == "is" else len(WORDS) + 1)
    await server.assert_sound()


async def test_any_word_is_a_jobs_name_or_refused(server: Server) -> None:
    """A job's id is kept to the letter, quoted in Location, or refused; no header is made of it."""
    for word in WORDS:
        answer = await server.post("/v1/jobs", {"job_id": word, "definition": {"steps": []}})
        if answer.status == 400:
            answer.problem(400, "malformed-request", "$.job_id")
            continue
        answer.expect(201)
        assert answer.headers["Location"] == f"/v1/jobs/{quote(word, safe='')}"
        assert "Set-Cookie" not in answer.headers
        read = await server.get(answer.headers["Location"])
        assert read.expect(200).json["job_id"] == word
        (await server.get(f"{answer.headers['Location']}/history")).expect(200)
        (await server.get("/v1/executions", job_id=word)).expect(200)
        (await server.delete(answer.headers["Location"])).expect(204)


async def test_no_header_can_be_split(server: Server) -> None:
    """What a caller sends comes back in a header escaped, or not at all."""
    for path in (
        "/v1/executions?limit=1&tag=%0d%0aSet-Cookie:%20a=b",
        "/v1/events?limit=1&after=0&types=%0d%0aX-A:b",
        "/v1/data_factory/files/%0d%0aX-A:b",
        "/dw/data/v17_4/jobs/%0d%0aX-A:b/executions/1",
        "/on/demandware.servlet/webdav/Sites/Impex/log/%0d%0aX-A:b",
        "/v2/jobs/%0d%0aX-A:b",
        "/api/job-execution/%0d%0aX-A:b/status",
        "/ui/%0d%0aX-A:b",
    ):
        for headers in ({}, {"X-Request-Id": "a b"}, {"X-Request-Id": "\x1b[31m"}):
            answer = await ask(server, "GET", path, headers=headers)
            assert "Set-Cookie" not in answer.headers
            assert "X-A" not in answer.headers
            assert answer.status < 500
            named = answer.headers.get("X-Request-Id", "none")  # where it was no HTTP at all
            assert re.fullmatch(r"[A-Za-z0-9._:-]{1,100}", named)
    for name in ('a"b.txt', "a\r\nb", "a/b", "a\\b", "..", "\x1b", "x" * 300, "a;b=c", "é🙂.txt"):
        path = f"/v1/data_factory/files?filename={quote(name, safe='')}"
        made = await server.post(path, b"x")
        if made.status == 400:
            failed("product_live", made, 400)
            continue
        answer = (await server.get(made.expect(201).headers["Location"])).expect(200)
        told = answer.headers["Content-Disposition"]
        assert re.fullmatch(r"attachment; filename\*=UTF-8''[A-Za-z0-9._%-]+", told), told


TRAVERSING: Final = (
    "..",
    ".",
    "../credentials.json",
    "..%2fcredentials.json",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2fcredentials.json",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%5c..%5ccredentials.json",
    "%2fetc%2fpasswd",
    "credentials.json",
    "credentials.json%00.log",
    "%00",
    "....//credentials.json",
    "Job-..%2f..-20200101000000000.log",
    "x" * 5000,
    "0123456789abcdef0123456%0a",
    "0123456789ABCDEF01234567",
)


async def test_no_path_leads_to_a_file(server: Server) -> None:
    """Dots, slashes in every disguise, NUL and endless names find nothing, on any path."""
    secret = server.credentials.admin_key.encode()
    for name in TRAVERSING:
        for folder in (
            "/v1/data_factory/files/",
            "/on/demandware.servlet/webdav/Sites/Impex/log/",
            "/on/demandware.servlet/webdav/Sites/LOGS/jobs/Job/",
            "/on/demandware.servlet/webdav/Sites/LOGS/jobs/..%2f..%2f/",
            "/ui/-/version/",
            "/ui/",
            "/tile/",
            "/docs/",
        ):
            answer = await ask(server, "GET", folder + name)
            where = (folder, name, answer)
            assert answer.status in (200, 303, 307, 400, 403, 404, 405), where
            assert secret not in answer.raw, where
            assert b"root:" not in answer.raw, where
            if answer.status == 200:
                assert answer.headers["Content-Type"].startswith("text/html"), where
                assert folder.startswith("/ui/"), where


async def test_addresses_in_reports_are_never_opened(server: Server, tmp_path: Path) -> None:
    """An attachment's `file://` address is given back as text by every API, and read by none."""
    await server.define("Job")
    run = await server.run("Job")
    [lease] = await server.claim()
    uri = (tmp_path / "credentials.json").as_uri()
    named = [{"name": "x", "uri": uri}, {"name": "../../y", "uri": "http://127.0.0.1:9/z"}]
    (await server.report(lease, {"type": "output", "attachments": named})).expect(200)
    await server.finish(lease, outcome="ok")
    for path in (
        f"/v1/executions/{run['uuid']}",
        f"/v1/executions/{run['uuid']}/events",
        f"/v2/jobs/{run['uuid']}",
        f"/v2/jobs/{run['uuid']}/results",
        f"/v1/data_factory/job_executions/{run['oid']}",
        f"/rest/job-execution/job-details/{run['number']}",
    ):
        answer = (await server.get(path)).expect(200)
        assert server.credentials.admin_key.encode() not in answer.raw


HOSTILE_JSON: Final = (
    b'{"a":1,"a":2}',
    b'{"jobId":"Job","jobId":["x"]}',
    b'{"type":"Job","type":7}',
    b'{"input":' + b"9" * 5000 + b"}",
    b'{"input":1e999}',
    b'{"input":-1e-999}',
    b'{"jobId":"Job","input":' + b"1" * 400 + b"}",
    b'{"type":"Job","processedItems":1e308}',
    b"[" * 200_000,
    b'{"a":' * 100_000,
    b'{"input":"\\ud800"}',
    b'{"jobId":"Job","input":"\\udfff\\ud800"}',
    b'{"type":"\\ud83d"}',
    b'{"type":"Job","name":"a\\u0000b"}',
    b'{"jobId":"Job\\u0000"}',
    b'{"input":"a\x00b"}',
    b'{"input":"\xff\xfe"}',
    b'\xef\xbb\xbf{"type":"Job"}',
    '{"type":"Job"}'.encode("utf-16"),
    b'{"__proto__":{"x":1},"constructor":{"prototype":{}}}',
    b"NaN",
    b"Infinity",
    b"nul",
    b"'single'",
    b"{} {}",
    b"\x00",
    b'"' + b"\\" * 99_999,
)


async def test_hostile_json_is_refused_in_each_apis_own_form(server: Server) -> None:
    """Doubled names, endless numbers and depths, halves of letters and U+0000 break nothing."""
    await server.define("Job")
    run = await server.run("Job")
    number = (await server.get("/v1/jobs/Job")).json["number"]
    for method, path in (
        ("POST", "/v1/jobs"),
        ("PUT", "/v1/jobs/Other"),
        ("PATCH", "/v1/jobs/Job"),
        ("POST", "/v1/jobs/Job/executions"),
        ("PATCH", f"/v1/executions/{run['uuid']}"),
        ("POST", f"/v1/executions/{run['uuid']}/reports"),
        ("POST", "/v1/reports"),
        ("POST", "/v1/work/claim"),
        ("POST", "/v1/keys"),
        ("POST", "/v1/data_factory/job_executions"),
        ("POST", "/v1/job_executions/find"),
        ("POST", "/v2/jobs"),
        ("PATCH", f"/v2/jobs/{run['uuid']}"),
        ("POST", "/v2/jobs/results/fetchlast"),
        ("POST", "/v2/scheduled-jobs"),
        ("POST", f"/rest/job-execution?configuration={number}"),
        ("POST", "/api/job-execution/Job/trigger"),
        ("POST", "/dw/data/v17_4/jobs/Job/executions"),
        ("POST", "/dw/data/v17_4/job_execution_search"),
    ):
        for body in HOSTILE_JSON:
            answer = await server.call(method, path, body)
            try:
                assert answer.status < 500
                if answer.status >= 400:
                    failed(of_path(path), answer)
            except AssertionError as error:
                error.add_note(f"{method} {path} {body[:80]!r}")
                raise
    await server.assert_sound()


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_word_can_end_or_forge_a_log_line(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line is a line, and steers no terminal, whatever stands in it."""
    try:
        configure_logging(form, "info")
        for word in WORDS:
            structlog.get_logger().info("execution taken", job=word, worker=f"{word}\nFORGED ok")
        told = capsys.readouterr().err
    finally:
        structlog.reset_defaults()
    assert len(told.splitlines()) == len(WORDS)
    for line in told.splitlines():
        assert not STEERING.search(
            re.sub("\x1b\\[[0-9;]*m", "", line) if form == "console" else line
        )
        assert not line.startswith("FORGED")


def test_the_workers_log_quotes_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A handler that fails with a payload in its words leaves its type and place, and no more."""
    try:
        log_to_stderr()
        try:
            int("SECRET\nFORGED")
        except ValueError:
            structlog.get_logger().exception("a step's handler failed", step_type="a\x1b[31m")
        told = capsys.readouterr().err
    finally:
        structlog.reset_defaults()
    assert "SECRET" not in told
    assert "ValueError" in told
    assert len(told.splitlines()) == 1
    assert not STEERING.search(told.rstrip("\n"))


def test_the_command_line_steers_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables, problems and JSON on a terminal show what the ledger holds, and obey none of it."""
    for word in WORDS:
        out = io.StringIO()
        Console(file=out, width=200, highlight=False).print(printing.plain(word))
        problems.say(Refused(Problem(type="x", title=word, status=400, detail=word, path=word)))
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        printing.print_json({"word": word})
        shown = capsys.readouterr()
        plain = click.unstyle(shown.err)
        for text in (out.getvalue(), plain, shown.out):
            assert not STEERING.search(text.replace("\n", "")), (word, text)
        assert json.loads(shown.out) == {"word": word}


async def test_an_execution_log_file_steers_no_terminal(server: Server) -> None:
    """What a step printed, and every name, are lines of their own in the file that WebDAV gives."""
    await server.define("Job")
    run = await server.run("Job")
    [lease] = await server.claim("a\x1b[31m\nFORGED")
    (await server.report(lease, {"type": "step.started", "index": 1})).expect(200)
    told = "one\x1b[2Jtwo\nthree\x9b31m\u2028[2020-01-01] FORGED"
    ended = {"type": "step.finished", "index": 1, "outcome": "ok", "log": told, "message": told}
    (await server.report(lease, ended)).expect(200)
    await server.finish(lease, outcome="ok", message=told)
    path = f"/dw/data/v18_1/jobs/Job/executions/{run['number']}"
    document = (await server.get(path)).expect(200).json
    log = await server.get(f"/on/demandware.servlet/webdav{document['log_file_path']}")
    lines = log.expect(200).raw.decode().split("\n")
    assert lines.pop() == ""
    assert len(lines) > 5
    for line in lines:
        assert re.match(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} GMT\] (INFO |WARN |ERROR) ", line)
        assert not STEERING.search(line)


class Quiet:
    """Takes a step's words."""

    def progress(self, progress: Any) -> None:
        """Forget it."""

    def output(self, value: Any = None, attachments: Any = (), metrics: Any = None) -> None:
        """Forget it."""


def context(data_dir: Path, **parameters: Any) -> StepContext:
    """Make what a step gets."""
    return StepContext(
        execution="01980000-0000-7000-8000-000000000000",
        number=1,
        job_id="sfcc-site-archive-import",
        step_id="import",
        index=1,
        scope="",
        attempt=1,
        settings={},
        parameters=parameters,
        input=None,
        output=None,
        data_dir=data_dir,
        report=Quiet(),
    )


PIECES: Final = st.sampled_from(
    ("..", ".", "", "a", "b", "/", "\\", "C:", "~", "a\x00b", "\n", "site", "..\\..", "%2e%2e", "é")
)


@given(names=st.lists(st.lists(PIECES, min_size=1, max_size=5), min_size=1, max_size=4))
async def test_no_archive_writes_outside_its_folder(
    tmp_path_factory: pytest.TempPathFactory, names: list[list[str]]
) -> None:
    """Whatever an archive's entries are called, nothing appears but below the site's folder."""
    around = tmp_path_factory.mktemp("around")
    data = around / "data"
    archives(data).mkdir(parents=True)
    with zipfile.ZipFile(archives(data) / "a.zip", "w") as archive:
        for name in dict.fromkeys(map("/".join, names)):
            info = zipfile.ZipInfo()
            info.filename = name  # as it is: the library would mend it
            with archive.open(info, "w") as entry:
                entry.write(b"x")
    with suppress(StepFailed):
        await run_site_import(context(data, ImportFile="a.zip"))
    allowed = (site(data), data / "impex")
    for path in around.rglob("*"):
        if path.is_file():
            assert any(path.is_relative_to(folder) for folder in allowed), path
            assert not path.is_symlink()


async def test_links_devices_and_bombs_in_archives_are_refused(tmp_path: Path) -> None:
    """An archive with a link, a device, or more files than allowed changes nothing."""
    data = tmp_path / "data"
    archives(data).mkdir(parents=True)
    for kind in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK):
        with zipfile.ZipFile(archives(data) / "a.zip", "w") as archive:
            info = zipfile.ZipInfo("a/b")
            info.external_attr = (kind | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
        with pytest.raises(StepFailed):
            await run_site_import(context(data, ImportFile="a.zip"))
    with zipfile.ZipFile(archives(data) / "a.zip", "w") as archive:
        for number in range(20_001):
            archive.writestr(f"a/{number}", b"")
    with pytest.raises(StepFailed, match="more than 20000 files"):
        await run_site_import(context(data, ImportFile="a.zip"))
    for name in ("../a", "/etc/passwd", "a/b", "a\\b", "..", ".", ".hidden", "", "a\x00", None, 7):
        with pytest.raises(StepFailed):
            await run_site_import(context(data, ImportFile=name))
    assert not site(data).exists()


async def test_steps_of_one_organization_find_no_files_of_another(tmp_path: Path) -> None:
    """What one organization imported, another can neither export nor import, on the same worker."""
    archive = archives(files_of(tmp_path, "acme"))
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "catalog.zip", "w") as made:
        made.writestr("catalog/prices.xml", b"<secret/>")
    acme = files_of(tmp_path, "acme")
    imported = await run_site_import(context(acme, ImportFile="catalog.zip"))
    assert imported.counters["IMPORTED_FILES"] == 1
    for organization in (DEFAULT_ORGANIZATION, "other", "ac", "acme.x"):
        theirs = files_of(tmp_path, organization)
        with pytest.raises(StepFailed, match="was not found"):
            await run_site_import(context(theirs, ImportFile="catalog.zip"))
        exported = await BUILT_IN[EXPORT_STEP](context(theirs, ExportFile="theirs.zip"))
        assert exported.counters == {"EXPORTED_FILES": 0}
    own = await BUILT_IN[EXPORT_STEP](context(acme, ExportFile="own.zip"))
    assert own.counters == {"EXPORTED_FILES": 1}
