"""The command line on a real server, as a script would use it."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.worker_processes import Site, free_port, site

pytestmark = pytest.mark.timeout(180)


async def cli(*arguments: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Run `jobledger <arguments>`; give exit code, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api.cli.main",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


class Shell:
    """The command line with the site's data directory."""

    def __init__(self, here: Site) -> None:
        self._env = {"JOBLEDGER_DATA": str(here.data / "ledger"), "JOBLEDGER_URL": here.url}

    async def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command."""
        return await cli(*arguments, env=self._env)

    async def json(self, *arguments: str) -> Any:
        """Run a command that must succeed, and read its JSON."""
        code, out, err = await self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


def job_file(tmp_path: Path, job_id: str, script: str, **policies: Any) -> str:
    """Write a job's file whose one step runs a shell script."""
    step = {"step_id": "only", "step_type_id": "command", "with": {"argv": ["sh", "-c", script]}}
    definition = {
        "steps": [step],
        "parameters": [{"name": "rows", "type": "integer"}],
        "policies": policies,
    }
    path = tmp_path / f"{job_id}.json"
    path.write_text(json.dumps({"job_id": job_id, "definition": definition}))
    return str(path)


async def test_a_job_from_definition_to_replay(tmp_path: Path) -> None:
    """Define, run and wait, list, show, tail and replay agree with each other."""
    async with site(tmp_path) as here:
        await here.worker("one")
        shell = Shell(here)
        script = 'echo "::output {\\"rows\\": $JOBLEDGER_PARAM_ROWS}"'
        code, _, err = await shell("job", "define", job_file(tmp_path, "Good", script))
        assert code == 0, err
        ended = await shell.json("run", "Good", "-p", "rows=12", "--wait")
        assert (ended["outcome"], ended["output"]) == ("ok", {"rows": 12})

        listed = await shell.json("ps", "--all", "--job", "Good")
        assert [view["uuid"] for view in listed["executions"]] == [ended["uuid"]]
        shown = await shell.json("show", str(ended["number"]))
        assert shown["uuid"] == ended["uuid"]

        code, out, _ = await shell(
            "tail", "--after", "0", "--execution", ended["uuid"], "--once", "--json"
        )
        events = [json.loads(line) for line in out.splitlines()]
        assert code == 0
        assert [event["version"] for event in events] == list(range(1, len(events) + 1))

        code, out, _ = await shell("replay", str(ended["number"]), "--json")
        moments = [json.loads(line) for line in out.splitlines()]
        assert [m["event"]["position"] for m in moments] == [e["position"] for e in events]
        assert moments[-1]["state"]["outcome"] == "ok"
        first = events[0]["position"]
        code, out, _ = await shell("replay", ended["uuid"], "--until", str(first), "--json")
        assert len(out.splitlines()) == 1

        for command in (
            ("job", "list"),
            ("job", "show", "Good"),
            ("job", "history", "Good"),
            ("ps",),
            ("ps", "-a"),
            ("show", ended["oid"], "--log"),
            ("replay", ended["uuid"]),
            ("tail", "--after", "0", "--once"),
            ("projections", "list"),
            ("keys", "list"),
        ):
            code, out, err = await shell(*command)
            assert code == 0, (command, err)
            assert out or command == ("ps",)
            assert not err


async def test_exit_codes_tell_how_it_went(tmp_path: Path) -> None:
    """A script learns of errors, aborts, refusals and wrong usage by the exit code."""
    async with site(tmp_path) as here:
        await here.worker("one")
        shell = Shell(here)
        bad = job_file(tmp_path, "Bad", "echo no >&2; exit 3")
        slow = job_file(tmp_path, "Slow", "sleep 600", lease_s=1.5)
        assert (await shell("job", "define", bad, slow))[0] == 0
        code, out, _ = await shell("run", "Bad", "--follow")
        assert code == 1
        assert "ended with status 3" in out

        waiting = asyncio.create_task(shell("run", "Slow", "--wait"))
        view = (await here.ledger.executions.list(job_id="Slow")).executions
        while not view:
            view = (await here.ledger.executions.list(job_id="Slow")).executions
        await here.until_step_runs(view[0])
        assert (await shell("cancel", str(view[0].number), "--reason", "enough"))[0] == 0
        assert (await waiting)[0] == 3

        code, _, err = await shell("run", "Missing")
        assert (code, "Missing" in err) == (5, True)
        code, _, err = await shell("run", "Bad", "-p", "undeclared=1")
        assert (code, "undeclared" in err) == (5, True)
        assert (await shell("run", "Bad", "-p", "nonsense"))[0] == 2
        assert (await shell("show", str(view[0].number), "--as-of", "never"))[0] == 5
        code, _, err = await cli("ps", "--url", here.url, "--key", "wrong")
        assert (code, "JOBLEDGER_KEY" in err) == (5, True)

        restarted = await shell.json("restart", str(view[0].number))
        assert restarted["restart_of"] == str(view[0].uuid)
        assert (await shell("cancel", restarted["uuid"]))[0] == 0
        assert (await shell("delete", str(view[0].number)))[0] == 0


async def test_keys_and_schedules(tmp_path: Path) -> None:
    """A key that was made opens what its role allows, until it is revoked."""
    async with site(tmp_path) as here:
        shell = Shell(here)
        assert (await shell("job", "define", job_file(tmp_path, "Good", "true")))[0] == 0
        made = await shell.json("keys", "create", "reader", "--role", "viewer")
        reader = ("--url", here.url, "--key", made["secret"])
        assert (await cli("ps", *reader))[0] == 0
        assert (await cli("run", "Good", *reader))[0] == 5
        assert (await shell("keys", "revoke", made["key"]["uuid"]))[0] == 0
        assert (await cli("ps", *reader))[0] == 5

        job = await shell.json("job", "schedule", "Good", "--cron", "0 3 * * *")
        assert job["schedule"] == {"cron": "0 3 * * *"}
        assert (await shell("job", "schedule", "Good", "--clear"))[0] == 0
        assert "schedule" not in await shell.json("job", "show", "Good")
        assert (await shell("job", "retire", "Good"))[0] == 0
        assert (await shell("run", "Good"))[0] == 5


async def test_without_a_server_the_command_says_so() -> None:
    """Nobody there: exit code 4, and words that help."""
    code, out, err = await cli("ps", "--url", f"http://127.0.0.1:{free_port()}", "--key", "k")
    assert (code, out) == (4, "")
    assert "jobledger serve" in err
