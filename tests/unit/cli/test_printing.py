"""What people are shown: safe, short, and telling."""

import subprocess
import sys
from pathlib import Path

import click
import msgspec
import pytest

from api.cli import exits, printing
from api.cli.connection import find_address
from api.cli.lines import bar, event_line
from api.cli.main import COMMANDS, main
from api.cli.problems import advise, describe
from api.cli.replay import read_limit
from api.cli.run import read_input, read_parameter
from api.client.errors import AccessDenied, Busy, Unreachable
from api.native.wire import EventView, ExecutionView, JobPost, Problem

EVENT = {
    "position": 7,
    "stream": "execution/0198a6a0-0000-7000-8000-000000000001",
    "version": 2,
    "event_id": "0198a6a0-0000-7000-8000-000000000002",
    "type": "step.finished",
    "schema_version": 1,
    "organization": "default",
    "actor": "worker:w",
    "occurred_at": "2024-05-01T10:00:00Z",
    "recorded_at": "2024-05-01T10:00:00Z",
    "correlation_id": None,
    "causation_id": None,
    "number": None,
    "data_digest": "00",
    "data": {
        "index": 2,
        "outcome": "error",
        "exit_code": "BAD",
        "message": "row [bold]17[/bold]\x1b[2J",
    },
}


def test_an_event_is_one_safe_line() -> None:
    """Words from elsewhere neither style nor clear the terminal."""
    line = event_line(msgspec.convert(EVENT, EventView))
    assert "\n" not in line
    assert "\x1b" not in line
    assert "\\[bold]17\\[/bold]" in line
    assert "step 2" in line


def test_bars_stay_within_their_width() -> None:
    """Any percentage gives a bar of one length."""
    assert {len(bar(percent)) for percent in (-5, 0, 33.3, 100, 250)} == {len(bar(0))} | {
        len(bar(250))
    }


def test_parameters_keep_their_types() -> None:
    """Values that are JSON are that; others are text."""
    values = [read_parameter(f"x={text}").value for text in ("1", "true", "1.5", "a=b", '"1"', "")]
    assert values == [1, True, 1.5, "a=b", "1", ""]
    for wrong in ("x", "=1"):
        with pytest.raises(click.BadParameter):
            read_parameter(wrong)


def test_input_is_json_or_a_file(tmp_path: Path) -> None:
    """A leading @ names a file."""
    path = tmp_path / "input.json"
    path.write_text("[1]")
    assert (read_input(f"@{path}"), read_input("{}"), read_input(None)) == ([1], {}, None)
    for wrong in ("{", "@/no/such/file"):
        with pytest.raises(click.BadParameter):
            read_input(wrong)


def test_a_limit_is_a_position_or_an_instant() -> None:
    """Events behind the limit are left out."""
    event = msgspec.convert(EVENT, EventView)
    assert read_limit(None)(event)
    assert [read_limit(text)(event) for text in ("6", "7")] == [False, True]
    assert not read_limit("2024-05-01T09:59:59Z")(event)
    with pytest.raises(click.BadParameter):
        read_limit("soon")


def test_credentials_fill_what_was_not_given(tmp_path: Path) -> None:
    """Given words win over the file; without either the default address stands."""
    assert find_address(None, None, tmp_path).key == ""
    (tmp_path / "credentials.json").write_text('{"url": "http://here", "admin_key": "k"}')
    found = find_address(None, None, tmp_path)
    assert (found.url, found.key) == ("http://here", "k")
    given = find_address("http://there", None, tmp_path)
    assert (given.url, given.key) == ("http://there", "k")


def test_problems_are_told_with_what_may_help() -> None:
    """Where the fault lies, and what to do, stand beside what went wrong."""
    problem = Problem(type="t", title="No.", status=401, detail="Unknown key.", path="$.a")
    assert describe(AccessDenied(problem)) == "No.: Unknown key.\n  at $.a"
    assert "JOBLEDGER_KEY" in advise(AccessDenied(problem))
    assert "jobledger serve" in advise(Unreachable("u", "r"))
    assert "1 s" in advise(Busy(problem))


@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        ("finished", "ok", 0),
        ("finished", "warning", 0),
        ("finished", "error", 1),
        ("aborted", None, 3),
    ],
)
def test_exit_codes(status: str, outcome: str | None, code: int) -> None:
    """The end of an execution decides the exit code."""
    view = {
        "uuid": "0198a6a0-0000-7000-8000-000000000001",
        "number": 1,
        "oid": "o",
        "job_id": "J",
        "organization": "default",
        "status": status,
        "outcome": outcome,
        "created_at": EVENT["recorded_at"],
        "modified_at": EVENT["recorded_at"],
        "attempt": 1,
        "version": 1,
        "position": 1,
    }
    assert exits.code_of(msgspec.convert(view, ExecutionView)) == code


def test_every_command_can_be_imported_and_has_help() -> None:
    """The list of commands names only what is there."""
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        assert command.help


def test_help_does_not_load_the_server() -> None:
    """The command line starts without database driver, web framework or worker."""
    code = (
        "import sys; from api.cli.main import main; main(['--help'], standalone_mode=False);"
        "print([n for n in ('asyncpg', 'aiohttp', 'api.server') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.rstrip().endswith("[]")


def test_the_example_jobs_can_be_read() -> None:
    """Each shipped definition is one, under its file's name, and refuses a second run."""
    files = sorted((Path(printing.__file__).parents[1] / "examples" / "jobs").glob("*.json"))
    posts = [msgspec.json.decode(file.read_bytes(), type=JobPost) for file in files]
    assert [post.job_id for post in posts] == [file.stem for file in files]
    assert {post.definition.policies.when_running for post in posts} == {"reject"}
    assert len(posts) == 6
