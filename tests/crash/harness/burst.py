"""Creates that come all at once, with what each of them was told."""

from typing import Any, Final

import msgspec

from ledger.ids import new_uuid
from tests.crash.harness.calls import Answer, Calls
from tests.crash.harness.journal import Journal, Line, Told
from tests.crash.harness.world import World

LINES: Final = 240
JOB: Final = "burst"


class Burst:
    """Sends to one server, past its proxy, and counts what was refused for lack of room."""

    def __init__(self, world: World, calls: Calls) -> None:
        self._counts = world.counts
        self._calls = calls
        self._journal = Journal(world.journals / "burst.journal")

    async def one(self, timeout_s: float) -> Answer:
        """Send a create."""
        id_ = str(new_uuid())
        self._journal.write(Line(told="intent", id=id_))
        body = {"input": {"token": id_}}
        path = f"/v1/jobs/{JOB}/executions"
        answer = await self._calls.call("POST", path, body, timeout_s=timeout_s)
        named = answer.json.get("uuid", "") if answer.status == 201 else ""
        self._note(id_, answer.status, named, answer.problem, "Retry-After" in answer.headers)
        return answer

    async def many(self) -> None:
        """Send creates in bulk, as many as a server carries out at once."""
        ids = [str(new_uuid()) for _ in range(LINES)]
        body = b""
        for id_ in ids:
            self._journal.write(Line(told="intent", id=id_, bulk=True))
            run = {"input": {"token": id_}}
            line = {"op": "create", "job_id": JOB, "run": run, "idempotency_key": id_}
            body += msgspec.json.encode(line) + b"\n"
        status = b""
        headers = {"Content-Type": "application/x-ndjson"}
        async for answered in self._calls.stream("POST", "/v1/reports", body, headers=headers):
            if not status:
                status = answered
            elif status == b"200":
                self._take(msgspec.json.decode(answered), ids)

    def _take(self, outcome: Any, ids: list[str]) -> None:
        problem = outcome.get("problem", {})
        kind = problem.get("type", "").rpartition("/")[2]
        named = outcome.get("execution") or ""
        may_retry = bool(problem.get("retry_after_s"))
        self._note(ids[outcome["line"] - 1], outcome["status"], named, kind, may_retry)

    def _note(self, id_: str, status: int, execution: str, kind: str, may_retry: bool) -> None:  # noqa: FBT001 - one of five things an answer says
        if kind == "too-busy":
            self._counts["refused because too many waited"] += 1
            self._counts["503 without Retry-After"] += not may_retry
        told: Told = "acknowledged" if 200 <= status < 300 else "unknown"
        line = Line(told=told, id=id_, execution=execution, status=status, detail=kind)
        self._journal.write(line)
