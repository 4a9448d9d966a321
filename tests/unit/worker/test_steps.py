"""The built-in step types: what reaches a program, and what is made of what it does."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from api.worker.steps.command import run_command
from api.worker.steps.http import run_http
from api.worker.steps.port import Handler, StepContext
from api.worker.steps.process import GUARDIAN, LogTail
from api.worker.steps.python import run_python
from api.worker.steps.registry import BadHandlers, as_handler, handlers
from api.worker.steps.result import StepFailed
from api.worker.steps.sleep import run_sleep
from ledger.events.executions import Attachment, Progress
from tests.waiting import eventually

FUNCTIONS = "tests.unit.worker.functions"

pytestmark = pytest.mark.usefixtures("guardian")


class Told:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.progressed: list[Progress] = []
        self.outputs: list[Any] = []

    def progress(self, progress: Progress) -> None:
        """Remember."""
        self.progressed.append(progress)

    def output(
        self,
        value: Any = None,
        attachments: tuple[Attachment, ...] = (),
        metrics: dict[str, float] | None = None,
    ) -> None:
        """Remember."""
        self.outputs.append(value)


def context(
    tmp_path: Path,
    settings: dict[str, Any],
    parameters: dict[str, Any] | None = None,
    given: Any = None,
) -> StepContext:
    """Make a context with a reporter that remembers."""
    return StepContext(
        execution="0",
        number=1,
        job_id="Job",
        step_id="step",
        index=1,
        scope="Organization",
        attempt=1,
        settings=settings,
        parameters=parameters or {},
        input=given,
        output=None,
        data_dir=tmp_path,
        report=Told(),
    )


def python(code: str, **settings: Any) -> dict[str, Any]:
    """Give a command's settings that run Python code."""
    return {"argv": [sys.executable, "-c", code], **settings}


async def test_callers_words_reach_a_command_as_data_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters are variables, input is standard input, and no other variable gets through."""
    monkeypatch.setenv("JOBLEDGER_KEY", "secret")
    monkeypatch.setenv("ALLOWED", "yes")
    code = "import os, sys; print(sorted(os.environ.items())); print(sys.argv, sys.stdin.read())"
    end = await run_command(
        context(
            tmp_path,
            python(code, env={"OWN": "1"}, env_allow=["ALLOWED"]),
            {"which file": "$(reboot); --help"},
            {"rows": [1]},
        )
    )
    assert end.outcome == "ok"
    assert "('JOBLEDGER_PARAM_WHICH_FILE', '$(reboot); --help')" in end.log
    assert "('ALLOWED', 'yes')" in end.log
    assert "('OWN', '1')" in end.log
    assert "secret" not in end.log
    assert "['-c'] {\"rows\":[1]}" in end.log


async def test_exit_statuses_mean_what_the_definition_says(tmp_path: Path) -> None:
    """Zero is ok, others are errors, unless they are named."""
    named = {"exit_codes": {"3": {"outcome": "warning", "exit_code": "PARTIAL"}}}
    for status, settings, expected in (
        (0, {}, ("ok", "")),
        (4, {}, ("error", "")),
        (3, named, ("warning", "PARTIAL")),
    ):
        code = f"raise SystemExit({status})"
        end = await run_command(context(tmp_path, python(code, **settings)))
        assert (end.outcome, end.exit_code) == expected


async def test_marked_lines_are_reports(tmp_path: Path) -> None:
    """Progress and output lines are passed on; a broken one is only printed."""
    code = (
        'print(\'::progress {"percent": 40, "counters": {"A": 1}}\');'
        "print('::output {\"file\": \"x\"}'); print('::progress nonsense')"
    )
    made = context(tmp_path, python(code))
    end = await run_command(made)
    assert isinstance(made.report, Told)
    assert made.report.progressed == [Progress(percent=40, counters={"A": 1})]
    assert made.report.outputs == [{"file": "x"}]
    assert end.log == "::progress nonsense"


async def test_a_talkative_program_fills_no_memory(tmp_path: Path) -> None:
    """However much is printed, lines or none, the last part is kept."""
    code = (
        "import sys; sys.stdout.write('x' * 3_000_000); print(); [print(i) for i in range(99999)]"
    )
    end = await run_command(context(tmp_path, python(code)))
    assert end.outcome == "ok"
    assert end.log.startswith("…\n")
    assert end.log.endswith("99998")
    assert len(end.log) <= 32_768 + 2


async def test_what_cannot_be_started_or_read_is_an_error(tmp_path: Path) -> None:
    """A missing program, a misspelt setting, a parameter that no variable can hold."""
    wrong: tuple[tuple[Handler, dict[str, Any], dict[str, Any]], ...] = (
        (run_command, {"argv": ["/no/such/program"]}, {}),
        (run_command, {"argv": ["true"], "shell": True}, {}),
        (run_command, {"argv": []}, {}),
        (run_command, {"argv": ["true"]}, {"zero": "a\0b"}),
        (run_python, {"function": "os.system"}, {}),
        (run_http, {"url": "file:///etc/hostname"}, {}),
        (run_sleep, {"seconds": "long"}, {}),
    )
    for handler, settings, parameters in wrong:
        with pytest.raises(StepFailed):
            await handler(context(tmp_path, settings, parameters))


async def test_a_python_step_sees_no_more_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's own secrets are not in the environment of its steps."""
    monkeypatch.setenv("JOBLEDGER_KEY", "secret")
    end = await run_python(context(tmp_path, {"function": f"{FUNCTIONS}:lists_environment"}))
    assert "PATH" in end.output["names"]
    assert "JOBLEDGER_KEY" not in end.output["names"]


async def test_a_function_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A wrong name ends the step with words that say so."""
    end = await run_python(context(tmp_path, {"function": f"{FUNCTIONS}:missing"}))
    assert (end.outcome, end.exit_code) == ("error", "INVALID")
    assert "missing" in end.message


async def test_sleep_tells_how_far_it_is(tmp_path: Path) -> None:
    """Percent ascend to 100."""
    made = context(tmp_path, {"seconds": 0.01})
    assert (await run_sleep(made)).outcome == "ok"
    assert isinstance(made.report, Told)
    percents = [told.percent for told in made.report.progressed]
    assert percents == sorted(percents, key=lambda percent: percent or 0)
    assert percents[-1] == 100


async def test_http_wants_the_expected_status_and_keeps_the_answer(tmp_path: Path) -> None:
    """The answer becomes output; an unexpected status is an error; no answer too."""

    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"got": await request.json()}, status=202)

    app = web.Application()
    app.router.add_post("/echo", echo)
    async with TestServer(app) as server:
        url = str(server.make_url("/echo"))
        settings = {"url": url, "method": "POST", "body": {"a": 1}}
        end = await run_http(context(tmp_path, settings))
        assert (end.outcome, end.output["status"]) == ("ok", 202)
        assert end.output["body"] == {"got": {"a": 1}}
        end = await run_http(context(tmp_path, {**settings, "expect": [200]}))
        assert end.outcome == "error"
        sent = await run_http(
            context(tmp_path, {"url": url, "method": "POST", "send_input": True}, given=[7])
        )
        assert sent.output["body"] == {"got": [7]}
    with pytest.raises(StepFailed):
        await run_http(context(tmp_path, settings))


async def test_a_cancelled_command_leaves_nothing_running(tmp_path: Path) -> None:
    """Cancellation kills the group, also the part of it that ignores polite signals."""
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 600 & echo $$ $! > '{pids}'; wait"
    task = asyncio.create_task(run_command(context(tmp_path, {"argv": ["sh", "-c", script]})))
    await eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await eventually(lambda: not any(_is_alive(pid) for pid in pids.read_text().split()))


async def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    """A background child that outlives its program is killed, and does not delay the end."""
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $! > '{pids}'"
    end = await run_command(context(tmp_path, {"argv": ["sh", "-c", script]}))
    assert end.outcome == "ok"
    await eventually(lambda: not _is_alive(pids.read_text().strip()))


def test_the_guardian_kills_what_its_worker_leaves() -> None:
    """When the pipe closes, groups that were not released are killed."""
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    GUARDIAN.watch(left.pid)
    GUARDIAN.close()
    assert left.wait(10) == -9


def test_the_guardian_knows_its_worker_s_programs_by_their_mark() -> None:
    """A program that its worker could not name any more is killed all the same."""
    marked = {**os.environ, **GUARDIAN.start()}
    left = subprocess.Popen(["sleep", "600"], start_new_session=True, env=marked)
    GUARDIAN.close()
    assert left.wait(10) == -9


def test_bindings_become_handlers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Async functions run here, functions and their names in their own process."""
    (tmp_path / "bound_here.py").write_text(
        "def pipeline(context): return None\n"
        "async def module(context): return None\n"
        "HANDLERS = {'ExecutePipeline': pipeline, 'ExecuteScriptModule': module, 'Named': 'a:b'}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    found = handlers("bound_here")
    assert {"command", "http", "python", "sleep", "ExecutePipeline", "Named"} <= set(found)
    assert found["ExecutePipeline"].keywords == {"function": "bound_here:pipeline"}  # type: ignore[attr-defined]
    for wrong in (12, lambda _: None, os):
        with pytest.raises(BadHandlers):
            as_handler("wrong", wrong)
    for module in ("no_such_module", "os"):
        with pytest.raises(BadHandlers):
            handlers(module)


def test_a_log_shows_control_characters(tmp_path: Path) -> None:
    """Escape sequences of a step's output never reach a terminal as such."""
    log = LogTail()
    log.add("a\x1b[31mred\ttab")
    assert log.text() == "a\ufffd[31mred\ttab"


def _is_alive(pid: str) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}
