"""System jobs over HTTP: accepted, run by a real worker, and nobody else's to define."""

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from api.client.session import Ledger
from api.worker.claiming import Worker
from api.worker.steps.registry import handlers
from tests.api.ocapi import DATA, LATER, client, executions, fault
from tests.api.serving import Server
from tests.waiting import eventually

IMPORT = "sfcc-site-archive-import"
EXPORT = "sfcc-site-archive-export"
INDEX = "sfcc-search-index-content-full-update"


@asynccontextmanager
async def working(server: Server, files: Path) -> AsyncIterator[None]:
    """Run a worker beside the server."""
    async with Ledger(server.url, server.credentials.admin_key) as ledger:
        worker = Worker(ledger, name="w", handlers=handlers(), data_dir=files)
        task = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            worker.stop()
            with suppress(asyncio.CancelledError):
                await task


async def ended(server: Server, job_id: str, number: str) -> Any:
    """Wait until an execution has ended, and read it."""

    async def look() -> Any:
        read = (await server.get(f"{executions(job_id, LATER)}/{number}")).expect(200).json
        return read if read["execution_status"] == "finished" else None

    return await eventually(look, deadline_s=30)


async def test_system_jobs_really_run(server: Server, tmp_path: Path) -> None:
    """An archive is imported, indexed and exported; each execution says what came of it."""
    files = tmp_path / "files"
    files.mkdir()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("demo/libraries/shared/library.xml", "<library>Welcome</library>")
        archive.writestr("demo/sites/Demo/site.xml", "<site>Demo</site>")
    (files / "siteGenesis.zip").write_bytes(made.getvalue())
    caller = await client(server)
    async with working(server, files):
        body = {"file_name": "siteGenesis.zip", "mode": "merge"}
        answer = (await caller.post(executions(IMPORT, LATER), body)).expect(202)
        document = answer.json
        assert list(document) == [
            "_v",
            "_type",
            "client_id",
            "execution_status",
            "id",
            "is_log_file_existing",
            "is_restart",
            "job_id",
            "log_file_name",
            "modification_time",
            "parameters",
            "status",
        ]
        assert [(p["name"], p["value"]) for p in document["parameters"]] == [
            ("ImportMode", "merge"),
            ("ImportFile", "siteGenesis.zip"),
        ]
        read = await ended(server, IMPORT, document["id"])
        assert read["status"] == "OK"
        native = (await server.get(f"/v1/executions/{document['id']}")).json
        assert native["output"]["files"] == ["libraries/shared/library.xml", "sites/Demo/site.xml"]
        log = f"/on/demandware.servlet/webdav/Sites/Impex/log/{document['log_file_name']}"
        assert b"sites/Demo/site.xml" in (await caller.get(log)).expect(200).raw

        scope = {"site_scope": {"named_sites": ["Demo"]}}
        indexing = (await caller.post(executions(INDEX, LATER), scope)).expect(202).json
        assert (await ended(server, INDEX, indexing["id"]))["status"] == "OK"
        units: Any = {"export_file": "out.zip", "data_units": {"libraries": {"shared": True}}}
        exporting = (await caller.post(executions(EXPORT, LATER), units)).expect(202).json
        assert (await ended(server, EXPORT, exporting["id"]))["status"] == "OK"
        with zipfile.ZipFile(files / "impex" / "src" / "instance" / "out.zip") as written:
            assert written.namelist() == ["out/libraries/shared/library.xml"]

        missing = {"file_name": "missing.zip"}
        failing = (await caller.post(executions(IMPORT, DATA), missing)).expect(202).json
        read = await ended(server, IMPORT, failing["id"])
        assert (read["status"], read["exit_status"]["status"]) == ("ERROR", "error")


async def test_system_jobs_are_the_ledgers(server: Server) -> None:
    """Nobody defines, changes or retires one, whether it is there yet or not."""
    for _ in range(2):
        refused = await server.put(f"/v1/jobs/{IMPORT}", {"steps": []})
        assert refused.status in (403, 409, 422), refused
        (await server.post(executions(IMPORT, LATER), {"file_name": "a.zip"})).expect(202)
    assert (await server.delete(f"/v1/jobs/{IMPORT}")).status in (403, 409, 422)
    unknown = await server.post(executions("sfcc-reset-instance-state", LATER))
    fault(unknown, 404, "JobNotFoundException", jobId="sfcc-reset-instance-state")


async def test_faults_of_system_jobs(server: Server) -> None:
    """An index job that runs refuses a second; documents that cannot be have their faults."""
    path = executions(INDEX, LATER)
    fault(await server.post(path), 400, "MissingSiteScopeParameterException")
    bad: Any = {"site_scope": {"named_sites": []}}
    fault(await server.post(path, bad), 400, "InvalidSiteScopeParameterException")
    fault(await server.post(path, {"scope": 1}), 400, "UnknownPropertyException", property="scope")
    good = {"site_scope": {"all_storefront_sites": True}}
    (await server.post(path, good)).expect(202)
    fault(await server.post(path, good), 400, "JobAlreadyRunningException", jobId=INDEX)
    wipe = {"file_name": "a.zip", "mode": "wipe"}
    refused = await server.post(executions(IMPORT, LATER), wipe)
    fault(refused, 400, "EnumConstraintViolationException", enumValue="wipe")


async def test_reason_phrases_and_absolute_form(server: Server) -> None:
    """The status line reads as in the samples, also when a proxy's form of address is used."""
    await server.define("Job")
    host, port = server.url.removeprefix("http://").split(":")

    async def line(method: str, target: str) -> str:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"{method} {target} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n"
            f"Authorization: Bearer {server.credentials.admin_key}\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n")[0].decode()

    nope = executions("Nope")
    assert await line("POST", nope) == "HTTP/1.1 404 NOT FOUND"
    assert await line("GET", f"{nope}/1") == "HTTP/1.1 404 Requested resource not found"
    assert await line("DELETE", f"{nope}/1") == "HTTP/1.1 404 Requested resource not found"
    assert await line("POST", executions("Job", LATER)) == "HTTP/1.1 202 ACCEPTED"
    assert await line("POST", f"https://example.com{executions('Job')}") == "HTTP/1.1 200 OK"
    odd = [{"step_id": "a", "step_type_id": "Odd"}]
    await server.define("Odd", steps=odd)
    assert await line("POST", executions("Odd")) == "HTTP/1.1 409 CONFLICT"
