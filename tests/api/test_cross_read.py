"""Each way in against each way to read: one execution, five vocabularies and ours.

A way in creates an execution of a job and gives its uuid; a way to read gives what that vocabulary
says of it, in a few common words. A new dialect adds one entry to `WAYS_IN` and one to `READINGS`;
words that a vocabulary does not have are left out.
"""

from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from tests.api.serving import Server

JOB = "NightlyImport"
OCAPI = "/s/-/dw/data/v17_4"

WayIn: TypeAlias = Callable[[Server], Awaitable[str]]
Reading: TypeAlias = Callable[[Server, str], Awaitable[dict[str, Any]]]


async def _native(server: Server, uuid: str) -> Any:
    return (await server.get(f"/v1/executions/{uuid}")).expect(200).json


async def create_native(server: Server) -> str:
    """Through `/v1`."""
    uuid: str = (await server.run(JOB))["uuid"]
    return uuid


async def create_product_live(server: Server) -> str:
    """Through Product-Live."""
    path = "/v1/data_factory/job_executions"
    run = (await server.post(path, {"jobId": JOB})).expect(201).json
    uuid: str = (await _native(server, run["id"]))["uuid"]
    return uuid


async def create_cdq(server: Server) -> str:
    """Through CDQ."""
    job: str = (await server.post("/v2/jobs", {"type": JOB})).expect(201).json["id"]
    return job


async def read_native(server: Server, uuid: str) -> dict[str, Any]:
    """As `/v1` says it."""
    view = await _native(server, uuid)
    ended = {"ok": "ok", "error": "failed"}.get(view.get("outcome", ""))
    canceled = "canceled" if view["status"] == "aborted" else None
    return {
        "job": view["job_id"],
        "is": ended or canceled or "open",
        "started": "started_at" in view,
        "ended": "ended_at" in view,
        "rows": (view.get("output") or {}).get("rows"),
    }


async def read_product_live(server: Server, uuid: str) -> dict[str, Any]:
    """As Product-Live says it, alone and in lists."""
    oid = (await _native(server, uuid))["oid"]
    path = "/v1/data_factory/job_executions"
    view = (await server.get(f"{path}/{oid}")).expect(200).json
    assert view in (await server.get(path)).expect(200).json["data"]
    ends = {"COMPLETED": "ok", "FAILED": "failed", "TERMINATED": "canceled"}
    return {
        "job": view["jobId"],
        "is": ends.get(view["status"], "open"),
        "started": "startedAt" in view,
        "ended": "endedAt" in view,
        "rows": view["output"].get("rows"),
    }


async def read_cdq(server: Server, uuid: str) -> dict[str, Any]:
    """As CDQ says it, alone and in lists."""
    view = (await server.get(f"/v2/jobs/{uuid}")).expect(200).json
    listed = (await server.get("/v2/jobs", jobType=JOB)).expect(200).json["jobs"]
    assert view in listed
    ends = {"FINISHED": "ok", "FAILED": "failed", "CANCELED": "canceled"}
    return {
        "job": view["type"],
        "is": ends.get(view["jobStatus"], "open"),
        "started": "startedAt" in view,
        "ended": "finishedAt" in view,
        "rows": 3 if view.get("resultData") == '{"rows":3}' else None,
    }


async def create_ocapi(server: Server) -> str:
    """Through OCAPI."""
    run = (await server.post(f"{OCAPI}/jobs/{JOB}/executions")).expect(200).json
    uuid: str = (await _native(server, run["id"]))["uuid"]
    return uuid


async def read_ocapi(server: Server, uuid: str) -> dict[str, Any]:
    """As OCAPI says it; it knows no output."""
    number = (await _native(server, uuid))["number"]
    view = (await server.get(f"{OCAPI}/jobs/{JOB}/executions/{number}")).expect(200).json
    ends = {"OK": "ok", "ERROR": "failed", "ABORTED": "canceled"}
    return {
        "job": view["job_id"],
        "is": ends.get(view["status"], "open"),
        "started": "start_time" in view,
        "ended": "end_time" in view,
    }


async def _datameer(server: Server, method: str, what: str) -> Any:
    told = f"{server.credentials.user}:{server.credentials.password}"
    headers = {"Authorization": f"Basic {b64encode(told.encode()).decode()}"}
    number = (await server.get(f"/v1/jobs/{JOB}")).expect(200).json["number"]
    path = f"/api/job-execution/{number}/{what}"
    return (await server.call(method, path, headers=headers)).expect(200).json


async def create_datameer(server: Server) -> str:
    """Through Datameer."""
    number = (await _datameer(server, "POST", "trigger"))["job-execution-id"]
    uuid: str = (await _native(server, number))["uuid"]
    return uuid


async def read_datameer(server: Server, uuid: str) -> dict[str, Any]:
    """As Datameer says it of the job's last execution; it knows no output."""
    view = await _datameer(server, "GET", "status")
    assert view["job-execution-id"] == (await _native(server, uuid))["number"]
    ends = {"COMPLETED": "ok", "ERROR": "failed", "CANCELED": "canceled"}
    return {
        "is": ends.get(view["job-status"], "open"),
        "started": view["start-time"] is not None,
        "ended": view.get("stop-time") is not None,
    }


WAYS_IN: dict[str, WayIn] = {
    "native": create_native,
    "product_live": create_product_live,
    "cdq": create_cdq,
    "ocapi": create_ocapi,
    "datameer": create_datameer,
}
READINGS: dict[str, Reading] = {
    "native": read_native,
    "product_live": read_product_live,
    "cdq": read_cdq,
    "ocapi": read_ocapi,
    "datameer": read_datameer,
}


async def _claimed(server: Server) -> Any:
    (lease,) = await server.claim()
    return lease


@pytest.mark.parametrize("way_in", WAYS_IN)
@pytest.mark.parametrize("end", ["ok", "failed", "canceled"])
async def test_an_execution_reads_the_same_in_every_vocabulary(
    server: Server, way_in: str, end: str
) -> None:
    """From its creation to each of its ends, whoever created it and whoever reads."""
    await server.define(JOB)
    uuid = await WAYS_IN[way_in](server)

    async def check(what: str, rows: int | None = None) -> None:
        said = {name: await read(server, uuid) for name, read in READINGS.items()}
        truth = said["native"]
        assert truth["is"] == what
        assert (truth["job"], truth["rows"]) == (JOB, rows)
        for words in said.values():
            assert words == {name: truth[name] for name in words}, said

    await check("open")
    lease = await _claimed(server)
    assert lease["execution"]["uuid"] == uuid
    await check("open")
    if end == "canceled":
        (await server.post(f"/v1/executions/{uuid}/cancel")).expect(200)
        await check("open")
        (await server.report(lease, {"type": "canceled"})).expect(200)
        await check("canceled")
        return
    (await server.report(lease, {"type": "output", "output": {"rows": 3}})).expect(200)
    await check("open", rows=3)
    await server.finish(lease, outcome="ok" if end == "ok" else "error")
    await check(end, rows=3)
