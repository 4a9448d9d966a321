"""Datameer's API on a real server: what its users' clients call."""

import asyncio
import base64
import re
from typing import Any

import pytest

from tests.api.serving import STEP, Answer, Server
from tests.waiting import eventually

NO_FILE = "File doesn't exist or isn't accessible with current permissions"
LONG = re.compile(r"[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d\d:\d\d [AP]M")


def basic(server: Server, password: str | None = None) -> dict[str, str]:
    """Show the user and the password of the credentials file."""
    user = server.credentials.user
    told = f"{user}:{password or server.credentials.password}"
    return {"Authorization": f"Basic {base64.b64encode(told.encode()).decode()}"}


async def ask(server: Server, method: str, path: str, body: bytes | None = None) -> Answer:
    """Make one request as the vendor's clients do."""
    return await server.call(method, path, body, headers=basic(server))


async def number(server: Server, job_id: str = "Job", **definition: Any) -> int:
    """Define a job and give its number."""
    made = await server.define(job_id, **definition)
    return int(made["number"])


async def take(server: Server) -> Any:
    """Claim one execution."""
    return (await eventually(lambda: server.claim(wait_s=1)))[0]


def failure(answer: Answer, status: int, reason: str | None = None) -> str:
    """Fail unless it is the documented failure form."""
    body = answer.expect(status).json
    assert list(body) == ["status", "reason"]
    assert body["status"] == "failure"
    assert reason is None or body["reason"] == reason
    assert answer.headers["Content-Type"].startswith("application/json")
    return str(body["reason"])


class TestStatus:
    """Where a job's last execution stands, in both generations."""

    async def test_a_life(self, server: Server) -> None:
        """Never run, queued, running, completed."""
        job = await number(server)
        v1, v2 = f"/rest/job-configuration/job-status/{job}", f"/api/job-execution/{job}/status"
        assert (await ask(server, "GET", v1)).expect(200).raw == b"{}"
        assert (await ask(server, "GET", v2)).json == {"status": "success", "job-status": "_NONE"}
        made = (await ask(server, "POST", f"/api/job-execution/{job}/trigger")).expect(200).json
        assert made == {
            "status": "success",
            "job-execution-id": made["job-execution-id"],
            "job-execution-user": server.credentials.user,
            "job-execution-trigger": "RESTAPI",
        }
        execution = made["job-execution-id"]
        assert (await ask(server, "GET", v1)).json == {"id": execution, "jobStatus": "QUEUED"}
        assert (await ask(server, "GET", v2)).json == {
            "status": "success",
            "file-id": job,
            "job-execution-id": execution,
            "job-status": "QUEUED",
            "start-time": None,
        }
        lease = await take(server)
        assert (await ask(server, "GET", v1)).json == {"id": execution, "jobStatus": "RUNNING"}
        running = (await ask(server, "GET", v2)).json
        assert (running["job-status"], running["job-progress"]) == ("RUNNING", "0")
        assert "stop-time" not in running
        assert "estimate-time" not in running
        assert LONG.fullmatch(running["start-time"])
        await server.finish(lease, outcome="ok")
        assert (await ask(server, "GET", v1)).json["jobStatus"] == "COMPLETED"
        done = (await ask(server, "GET", v2)).json
        assert list(done)[-2:] == ["start-time", "stop-time"]

    async def test_warnings_and_errors(self, server: Server) -> None:
        """The generations write a warning differently."""
        job = await number(server)
        for outcome, v1, v2 in (
            ("warning", "COMPLETED_WITH_Warnings", "COMPLETED_WITH_WARNINGS"),
            ("error", "ERROR", "ERROR"),
        ):
            await ask(server, "POST", f"/rest/job-execution?configuration={job}")
            await server.finish(await take(server), outcome=outcome)
            old = await ask(server, "GET", f"/rest/job-configuration/job-status/{job}")
            new = await ask(server, "GET", f"/api/job-execution/{job}/status")
            assert (old.json["jobStatus"], new.json["job-status"]) == (v1, v2)

    @pytest.mark.parametrize(
        "name", ["/Sales/North East.wbk", "Sales/North East.wbk", "a+b", "Übersicht/x.wbk"]
    )
    async def test_by_path_and_uuid(self, server: Server, name: str) -> None:
        """A path holds slashes, blanks as `+`, and encodings; a uuid is the job's."""
        made = await server.define("Job", path=name)
        ways = [made["uuid"], name.replace(" ", "+"), name.replace("/", "%2F").replace(" ", "%20")]
        for way in ways:
            got = await ask(server, "GET", f"/api/job-execution/{way}/status")
            assert got.expect(200).json["job-status"] == "_NONE", way

    async def test_by_its_own_name(self, server: Server) -> None:
        """A job that has no path is found by its id, blanks as `+` too."""
        await server.define("Job%20One")
        for name in ("Job+One", "Job%20One"):
            got = await ask(server, "GET", f"/api/job-execution/{name}/status")
            assert got.expect(200).json["job-status"] == "_NONE"

    async def test_unknown(self, server: Server) -> None:
        """The documented failure."""
        for name in ("99", "no/such/file", "01980000-0000-7000-8000-000000000001"):
            got = await ask(server, "GET", f"/api/job-execution/{name}/status")
            failure(got, 404, NO_FILE)
        failure(await ask(server, "GET", "/rest/job-configuration/job-status/99"), 404)
        failure(await ask(server, "GET", "/rest/job-execution/job-details/x"), 404)


async def test_history_and_details(server: Server) -> None:
    """Newest first, by pages; counters, counts and times."""
    job = await number(server)
    for _ in range(3):
        await ask(server, "POST", f"/api/job-execution/{job}/trigger")
        lease = await take(server)
        progress = {"processed_items": 7, "counters": {"IMPORT_RECORDS": 7, "IMPORT_BYTES": 9}}
        await server.report(lease, {"type": "progressed", "progress": progress})
        await server.finish(lease, outcome="ok")
    history = f"/rest/job-configuration/job-history/{job}"
    ids = [entry["id"] for entry in (await ask(server, "GET", history)).expect(200).json]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 3
    latest = await ask(server, "GET", f"{history}?start=0&length=1")
    assert latest.json == [{"id": ids[0], "jobStatus": "COMPLETED"}]
    second = await ask(server, "GET", f"{history}?start=1&length=1")
    assert [entry["id"] for entry in second.json] == [ids[1]]
    failure(await ask(server, "GET", f"{history}?start=x"), 400)
    got = (await ask(server, "GET", f"/rest/job-execution/job-details/{ids[0]}")).expect(200).json
    assert list(got) == [
        *("startTime", "stopTime", "jobStatus", "jobConfigurationId"),
        *("file", "successCount", "failureCount", "counters"),
    ]
    assert (got["successCount"], got["failureCount"]) == (7, 0)
    assert got["counters"] == {"IMPORT_RECORDS": 7, "IMPORT_BYTES": 9}
    volumes = (await ask(server, "GET", f"/rest/job-configuration/volume-report/{job}")).json
    assert volumes[0] == {"id": ids[0], "jobStatus": "COMPLETED", "importedVolume": 9}


async def test_running_and_stopped(server: Server) -> None:
    """The list holds what runs, an estimate only when there is a history; stop ends it, twice too."""
    job = await number(server)
    listing, stop = "/rest/jobs/list-running", f"/api/job-execution/{job}/stop"
    assert (await ask(server, "GET", listing)).expect(200).json == []
    nothing = await ask(server, "POST", stop)
    assert (nothing.expect(204).raw, await server.claim()) == (b"", [])
    await ask(server, "POST", f"/api/job-execution/{job}/trigger")
    lease = await take(server)
    (entry,) = (await ask(server, "GET", listing)).json
    assert list(entry) == [
        *("dapJobConfigurationId", "jobExecutionId", "jobStatus", "progress", "startTime")
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,3}", entry["startTime"])
    assert (await ask(server, "POST", stop)).expect(204).raw == b""
    (await server.report(lease, {"type": "canceled"})).expect(200)
    got = (await ask(server, "GET", f"/api/job-execution/{job}/status")).json
    assert (got["job-status"], got["stop-time"] is not None) == ("CANCELED", True)
    again = await ask(server, "POST", f"/rest/job-execution/job-kill/{got['job-execution-id']}")
    assert again.expect(200).json == {"status": "success"}


async def test_deleted(server: Server) -> None:
    """Marked, deleted already, never there."""
    job = await number(server)
    path = f"/rest/data/{job}"
    assert (await ask(server, "DELETE", path)).expect(200).json == {"status": True}
    assert (await ask(server, "DELETE", path)).expect(200).json == {"status": False}
    reason = "Entity of type 'Data' with id '272' not found."
    failure(await ask(server, "DELETE", "/rest/data/272"), 404, reason)
    failure(await ask(server, "GET", f"/api/job-execution/{job}/status"), 404, NO_FILE)
    failure(await ask(server, "POST", f"/api/job-execution/{job}/trigger"), 404, NO_FILE)


class TestSequence:
    """Several jobs, and what follows them."""

    async def test_as_printed(self, server: Server) -> None:
        """The document's own body; the follower waits, and runs after the first."""
        first = await number(server, "apache_log", data_driven=True)
        second = await number(server, "categorization", data_driven=True, after=["apache_log"])
        body = b'{ variables : { "foo": "fooValue" }, "fileIds" : [%d, ]}' % first
        got = (await ask(server, "POST", "/rest/job-execution?sequence=", body)).expect(200).json
        assert list(got) == ["status", "execution-plan"]
        plan = got["execution-plan"]
        assert [list(entry) for entry in plan] == [
            ["job-configuration-name", "job-configuration-id", "trigger", "job-execution-id"]
        ] * 2
        assert [entry["job-configuration-id"] for entry in plan] == [first, second]
        assert [entry["trigger"] for entry in plan] == [True, True]
        waiting = await ask(server, "GET", f"/api/job-execution/{second}/status")
        assert waiting.json["job-status"] == "WAITING_FOR_OTHER_JOB"
        for entry in plan:
            lease = await take(server)
            assert lease["execution"]["number"] == entry["job-execution-id"]
            assert lease["execution"]["parameters"] == [{"name": "foo", "value": "fooValue"}]
            await server.finish(lease, outcome="ok")
        head = await server.head()
        assert len((await server.get("/v1/executions")).json["executions"]) == 2, head

    async def test_wrong_ones_create_nothing(self, server: Server) -> None:
        """Unknown, not data-driven, empty, no JSON: the failure form, and nothing else."""
        driven = await number(server, "a", data_driven=True)
        hand = await number(server, "b")
        for query, body, status in (
            (f"{driven},99", None, 404),
            (f"{driven},{hand}", None, 400),
            ("", None, 400),
            ("", b'{"fileIds": []}', 400),
            (f"{driven}", b"{", 400),
            (f"{driven}", b'{"fileIds": 4}', 400),
        ):
            before = await server.head()
            failure(
                await ask(server, "POST", f"/rest/job-execution?sequence={query}", body), status
            )
            assert await server.head() == before
        failure(await ask(server, "POST", "/rest/job-execution?configuration=99"), 404)
        circle = {"steps": [STEP], "after": ["b"], "data_driven": True}
        await server.put("/v1/jobs/b", {"steps": [STEP], "after": ["a"]})
        (await server.put("/v1/jobs/a", circle)).problem(422, "job-invalid", "$.after")


async def test_refusals(server: Server) -> None:
    """A job that runs already, and one that can't be stopped."""
    job = await number(server, policies={"when_running": "reject", "cancellable": False})
    path = f"/api/job-execution/{job}"
    (await ask(server, "POST", f"{path}/trigger")).expect(200)
    failure(await ask(server, "POST", f"{path}/trigger"), 409)
    failure(await ask(server, "POST", f"{path}/stop"), 409)


async def test_the_vendors_form_for_everything(server: Server) -> None:
    """No credentials, wrong ones, no such path or method: always a failure document."""
    bare = server.under("")
    got = await bare.get("/rest/jobs/list-running")
    failure(got, 401)
    assert got.headers["WWW-Authenticate"].startswith("Basic ")
    wrong = await bare.call("GET", "/rest/jobs/list-running", headers=basic(server, "no"))
    failure(wrong, 401)
    failure(await ask(server, "GET", "/rest/nothing"), 404)
    failure(await ask(server, "GET", "/rest/data/1"), 405)
    viewer = await server.caller("viewer")
    failure(await viewer.delete("/rest/data/1"), 403)
    failure(await ask(server, "GET", "/api/job-execution/%00/status"), 404)


async def test_others_see_nothing(server: Server) -> None:
    """Another organization's jobs and executions are unknown."""
    job = await number(server)
    await ask(server, "POST", f"/api/job-execution/{job}/trigger")
    other = await server.caller("admin", organizations=("other",))
    failure(await other.get(f"/api/job-execution/{job}/status"), 404, NO_FILE)
    failure(await other.delete(f"/rest/data/{job}"), 404)
    failure(await other.post(f"/rest/job-execution?sequence={job}"), 404)
    assert (await other.get("/rest/jobs/list-running")).expect(200).json == []


async def test_many_at_once(server: Server) -> None:
    """A sequence is asked for by many at the same time; each gets a plan of its own."""
    first = await number(server, "a", data_driven=True)
    await number(server, "b", data_driven=True, after=["a"])
    answers = await asyncio.gather(
        *(ask(server, "POST", f"/rest/job-execution?sequence={first}") for _ in range(5))
    )
    ids = [e["job-execution-id"] for a in answers for e in a.expect(200).json["execution-plan"]]
    assert sorted(ids) == list(range(1, 11))
    await server.assert_sound()
