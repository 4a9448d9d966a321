"""OCAPI over HTTP: executions created, read and deleted, and every fault that its tables name."""

from tests.api.ocapi import client, executions, fault
from tests.api.serving import Server


async def test_a_job_is_run_read_and_deleted(server: Server) -> None:
    """A 17.x creation runs at once; a worker ends it; it is read, deleted, and then gone."""
    caller = await client(server)
    await server.define("CustomerImportJob", policies={"when_running": "reject"})
    path = executions("CustomerImportJob")
    body = {"parameters": [{"name": "mode", "value": "full"}, {"name": "none", "value": None}]}
    created = (await caller.post(path, body)).expect(200)
    assert created.headers["Cache-Control"] == "no-cache,no-store,must-revalidate"
    assert created.headers["Expires"] == "Thu, 01-Jan-1970 00:00:00 GMT"
    document = created.json
    assert document["execution_status"] == "running"
    assert document["client_id"] == server.credentials.client_id
    assert document["parameters"] == [
        {"_type": "job_execution_parameter", "name": "mode", "value": "full"},
        {"_type": "job_execution_parameter", "name": "none"},
    ]
    fault(await caller.delete(f"{path}/{document['id']}"), 403, "JobExecutionNotFinishedException")
    fault(await caller.post(path), 400, "JobAlreadyRunningException", jobId="CustomerImportJob")
    (lease,) = await server.claim()
    await server.report(
        lease,
        {"type": "step.started", "index": 1},
        {"type": "step.finished", "index": 1, "outcome": "ok", "exit_code": "DONE"},
    )
    await server.finish(lease)
    read = (await caller.get(f"{path}/{document['id']}")).expect(200).json
    assert read["execution_status"] == "finished"
    assert read["exit_status"] == {"_type": "status", "code": "OK", "status": "ok"}
    assert read["status"] == "OK"
    assert read["is_log_file_existing"]
    assert read["step_executions"][0]["status"] == "DONE"
    assert read["_resource_state"] != document["_resource_state"]
    native = (await server.get(f"/v1/executions/{document['id']}")).expect(200).json
    assert native["status"] == "finished"
    (await caller.delete(f"{path}/{document['id']}")).expect(204)
    gone = await caller.get(f"{path}/{document['id']}")
    fault(gone, 404, "JobExecutionNotFoundException", executionId=document["id"])
    assert gone.headers["Cache-Control"].startswith("max-age=0,")
    fault(await caller.delete(f"{path}/{document['id']}"), 404, "JobExecutionNotFoundException")
