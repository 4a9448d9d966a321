"""Callers that change the ledger through whatever happens, and note what they were told.

Run as a program: `python -m tests.crash.harness.writer <plan as JSON>`. SIGTERM lets what is under way
come to its end. Each caller is a loop that draws what to do next; what has an answer that leaves the
outcome open is tried again under the same name, as a careful client would, or left open.
"""

import asyncio
import signal
import sys
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
from msgspec import Struct

from ledger.ids import new_uuid
from tests.crash.harness.calls import Answer, Calls, pause, session
from tests.crash.harness.journal import Journal, Kind, Line, Told

REMEMBERED: Final = 400
MAX_TRIES: Final = 6
FAR: Final = datetime(2090, 1, 1, tzinfo=UTC)


class Plan(Struct, frozen=True, kw_only=True):
    """What a writer is to do."""

    name: str
    urls: tuple[str, ...]
    key: str
    seed: str
    journal: str
    callers: int = 8
    pace_s: float = 0.05
    """Average pause of a caller between two things."""
    lease_s: float = 1.0
    is_naive: bool = False
    """Try an unnamed create again after an unknown outcome: what a careful client must not do."""


class Known:
    """Executions that can be acted on, newest last."""

    def __init__(self) -> None:
        self.open: deque[str] = deque(maxlen=REMEMBERED)
        self.undescribed: deque[str] = deque(maxlen=REMEMBERED)


class Caller:
    """One of the loops; what it asks for next is its own dice's."""

    def __init__(self, number: int, plan: Plan, calls: Sequence[Calls], known: Known) -> None:
        self._plan = plan
        self._calls = calls
        self._known = known
        self._dice = Random(f"{plan.seed}/{number}")
        self._journal = Journal(Path(plan.journal))
        self._worker = plan.name
        self._things: list[Any] = []
        for weight, thing in (
            (30, self._create_named),
            (14, self._create_unnamed),
            (4, self._bulk),
            (6, self._describe),
            (8, self._cancel),
            (8, self._delete),
            (4, self._pause_and_resume),
            (8, self._recorded),
            (14, self._hand_work),
            (2, self._schedule),
        ):
            self._things += [thing] * weight

    async def run(self, stopping: asyncio.Event) -> None:
        """Go on until told to stop."""
        while not stopping.is_set():
            await self._dice.choice(self._things)()
            await pause(self._dice.expovariate(1 / self._plan.pace_s))

    def _server(self) -> Calls:
        return self._dice.choice(self._calls)

    def _job(self) -> str:
        return self._dice.choices(
            ("quick", "slow", "failing", "up", "hand", "alone", "command"),
            (30, 8, 5, 12, 20, 5, 6),
        )[0]

    def _note(self, answer: Answer, id_: str, kind: Kind, execution: str = "") -> Told:
        """Write down what an answer says of an intent; give what it was."""
        told: Told = "unknown"
        detail = answer.lost or answer.problem
        if 200 <= answer.status < 300:
            told = "acknowledged"
        elif answer.status == 503:
            told = "busy" if "Retry-After" in answer.headers else "failed"
            detail = detail if told == "busy" else "503 without Retry-After"
        elif answer.status in (404, 409, 412):
            told = "refused"
        elif answer.status:
            told = "failed"
        self._journal.write(
            Line(
                told=told,
                id=id_,
                kind=kind,
                execution=execution,
                status=answer.status,
                detail=detail,
            )
        )
        return told

    def _look_at(self, answer: Answer, id_: str) -> None:
        """Write down an answer that should not have come."""
        if (answer.status >= 500 and answer.status != 503) or answer.status in (400, 415, 422):
            detail = f"{answer.status} {answer.problem}"
            self._journal.write(Line(told="failed", id=id_, status=answer.status, detail=detail))

    def _intend(self, id_: str, kind: Kind, execution: str = "", *, bulk: bool = False) -> None:
        self._journal.write(Line(told="intent", id=id_, kind=kind, execution=execution, bulk=bulk))

    async def _until_told(
        self,
        id_: str,
        kind: Kind,
        method: str,
        path: str,
        body: Any = None,
        *,
        execution: str = "",
        headers: dict[str, str] | None = None,
    ) -> Answer | None:
        """Ask, again and again if need be; None when the outcome stays open."""
        self._intend(id_, kind, execution)
        patience = MAX_TRIES if self._dice.random() < 0.7 else 1
        for attempt in range(patience):
            answer = await self._server().call(
                method, path, body, headers={"X-Request-Id": str(new_uuid()), **(headers or {})}
            )
            named = execution
            if not named and 200 <= answer.status < 300 and answer.raw:
                named = answer.json.get("uuid", "")
            told = self._note(answer, id_, kind, named)
            if told in ("acknowledged", "refused"):
                return answer
            await pause(self._dice.uniform(0.05, 0.3) * 2**attempt)
        return None

    async def _create_named(self) -> None:
        id_ = str(new_uuid())
        answer = await self._until_told(
            id_,
            "create",
            "POST",
            f"/v1/jobs/{self._job()}/executions",
            {"input": {"token": id_}},
            headers={"Idempotency-Key": id_},
        )
        self._remember(answer)

    async def _create_unnamed(self) -> None:
        id_ = str(new_uuid())
        path, body = f"/v1/jobs/{self._job()}/executions", {"input": {"token": id_}}
        if self._plan.is_naive:
            self._remember(await self._until_told(id_, "create", "POST", path, body))
            return
        self._intend(id_, "create")
        answer = await self._server().call("POST", path, body)
        named = answer.json.get("uuid", "") if answer.status == 201 else ""
        self._note(answer, id_, "create", named)
        self._remember(answer)

    def _remember(self, answer: Answer | None) -> None:
        if answer is not None and answer.status in (200, 201):
            uuid = answer.json["uuid"]
            self._known.open.append(uuid)
            self._known.undescribed.append(uuid)

    def _pick(self, among: deque[str]) -> str | None:
        return self._dice.choice(among) if among else None

    async def _describe(self) -> None:
        if not self._known.undescribed:
            return
        execution = self._known.undescribed.popleft()  # nobody else describes it
        id_ = str(new_uuid())
        path = f"/v1/executions/{execution}"
        await self._until_told(id_, "describe", "PATCH", path, {"name": id_}, execution=execution)

    async def _cancel(self) -> None:
        if execution := self._pick(self._known.open):
            path = f"/v1/executions/{execution}/cancel"
            await self._until_told(str(new_uuid()), "cancel", "POST", path, execution=execution)

    async def _delete(self) -> None:
        if execution := self._pick(self._known.open):
            path = f"/v1/executions/{execution}"
            await self._until_told(str(new_uuid()), "delete", "DELETE", path, execution=execution)

    async def _pause_and_resume(self) -> None:
        if execution := self._pick(self._known.open):
            path = f"/v1/executions/{execution}"
            kinds: tuple[Kind, Kind] = ("pause", "resume")
            for kind in kinds:
                id_ = str(new_uuid())
                await self._until_told(id_, kind, "POST", f"{path}/{kind}", execution=execution)

    async def _schedule(self) -> None:
        """Set an instant far away that nobody sets twice."""
        id_ = str(new_uuid())
        at = FAR + timedelta(microseconds=int(id_.replace("-", "")[:12], 16))
        path = f"/v1/jobs/planned-{self._dice.randrange(3)}/schedule"
        self._journal.write(Line(told="intent", id=id_, kind="schedule", detail=at.isoformat()))
        answer = await self._server().call("PUT", path, {"at": [at.isoformat()]})
        self._note(answer, id_, "schedule")

    async def _bulk(self) -> None:
        """Create a number of executions in one request, whose answer may break off anywhere."""
        ids = [str(new_uuid()) for _ in range(self._dice.randrange(2, 40))]
        for id_ in ids:
            self._intend(id_, "create", bulk=True)
        lines = [
            {
                "op": "create",
                "job_id": self._job(),
                "run": {"input": {"token": id_}},
                "idempotency_key": id_,
            }
            for id_ in ids
        ]
        for _ in range(3 if self._dice.random() < 0.6 else 1):
            if await self._send(ids, lines, "create"):
                return
            await pause(self._dice.uniform(0.1, 1.0))

    async def _send(self, ids: list[str], lines: list[Any], kind: Kind) -> bool:
        """Send bulk lines and note each outcome as it comes; tell whether all of them came."""
        body = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        headers = {"Content-Type": "application/x-ndjson"}
        status, told = b"", 0
        sent = self._server().stream("POST", "/v1/reports", body, headers=headers)
        async for line in sent:
            if not status:
                status = line
                continue
            if status == b"200":
                outcome = msgspec.json.decode(line)
                self._note_line(outcome, ids[outcome["line"] - 1], kind)
                told += outcome["status"] != 503
        return told == len(ids)

    def _note_line(self, outcome: Any, id_: str, kind: Kind) -> None:
        status = outcome["status"]
        problem = outcome.get("problem", {})
        headers = {"Retry-After": "1"} if problem.get("retry_after_s") else {}
        answer = Answer(status, msgspec.json.encode(problem), headers)
        self._note(answer, id_, kind, outcome.get("execution") or "")

    async def _recorded(self) -> None:
        """Tell of work that ran elsewhere: create it and report it in bulk."""
        id_ = str(new_uuid())
        created = await self._until_told(
            id_,
            "create",
            "POST",
            "/v1/jobs/recorded/executions",
            {"input": {"token": id_}},
            headers={"Idempotency-Key": id_},
        )
        if created is None or created.status not in (200, 201):
            return
        execution = created.json["uuid"]
        lines: list[Any] = [
            {
                "op": "report",
                "execution": execution,
                "reports": [
                    {"type": "step.started", "index": 1, "occurred_at": _now()},
                    {"type": "step.finished", "index": 1, "outcome": "ok"},
                ],
            },
            {
                "op": "report",
                "execution": execution,
                "reports": [{"type": "finished", "outcome": "ok"}],
            },
        ]
        ids = [str(new_uuid()), str(new_uuid())]
        kinds: tuple[Kind, Kind] = ("recorded", "finish")
        for part, kind in zip(ids, kinds, strict=True):
            self._intend(part, kind, execution)
        for _ in range(MAX_TRIES):
            status, told = b"", 0
            body = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
            headers = {"Content-Type": "application/x-ndjson"}
            sent = self._server().stream("POST", "/v1/reports", body, headers=headers)
            async for line in sent:
                if not status:
                    status = line
                elif status == b"200":
                    outcome = msgspec.json.decode(line)
                    at = outcome["line"] - 1
                    self._note_line(outcome, ids[at], kinds[at])
                    told += outcome["status"] != 503
            if told == len(ids):
                return
            await pause(self._dice.uniform(0.1, 0.6))

    async def _hand_work(self) -> None:
        """Be a worker: claim, and finish, fall silent, or come back too late."""
        post = {"worker": self._worker, "step_types": ["hand"], "limit": 2, "wait_s": 0.5}
        answer = await self._server().call("POST", "/v1/work/claim", post)
        self._look_at(answer, "claim")
        if answer.status != 200:
            return
        for lease in answer.json["leases"]:
            await self._hold(lease)

    async def _hold(self, lease: Any) -> None:
        execution, fence = lease["execution"]["uuid"], lease["fence"]
        path = f"/v1/executions/{execution}/reports"
        id_ = str(new_uuid())
        fate = self._dice.random()
        if fate < 0.08:
            return  # it died
        is_late = fate < 0.2
        started = [{"type": "step.started", "index": 1, "occurred_at": _now()}]
        body = {"reports": started, "fence": fence, "worker": self._worker}
        self._look_at(await self._server().call("POST", path, body), id_)
        if fate > 0.7:
            beat = await self._server().call("POST", f"/v1/work/{lease['lease']}/heartbeat")
            if beat.status == 409:
                return
        if is_late:
            await pause(self._plan.lease_s * self._dice.uniform(1.5, 3.0))
        # All of it again: the first report may not have come through.
        ended = [
            *started,
            {"type": "step.finished", "index": 1, "outcome": "ok"},
            {"type": "finished", "outcome": "ok"},
        ]
        self._intend(id_, "finish", execution)
        for attempt in range(MAX_TRIES):
            body = {"reports": ended, "fence": fence, "worker": self._worker}
            answer = await self._server().call("POST", path, body)
            if answer.status == 409 and answer.problem == "fenced":
                late = Line(told="late", id=id_, kind="finish", execution=execution, fence=fence)
                self._journal.write(late)
                return
            if self._note(answer, id_, "finish", execution) in ("acknowledged", "refused"):
                return
            await pause(0.1 * 2**attempt)


def _now() -> str:
    return datetime.now(UTC).isoformat()


async def main(plan: Plan) -> None:
    """Write until told to stop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, stopping.set)
    async with session() as web, asyncio.TaskGroup() as group:
        calls = [Calls(url, plan.key, web) for url in plan.urls]
        known = Known()
        for number in range(plan.callers):
            group.create_task(Caller(number, plan, calls, known).run(stopping))


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Plan)))
