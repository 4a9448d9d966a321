"""`jobledger job …`: jobs and their schedules."""

from datetime import datetime
from pathlib import Path

import click
import msgspec

from api.cli import printing
from api.cli.connection import connected, json_option
from api.client.session import Ledger
from api.native.wire import JobPost, JobView
from ledger.events.definition import Schedule


@click.group(short_help="Define, show, schedule and retire jobs.")
def job() -> None:
    """Define, show, schedule and retire jobs."""


@job.command("list")
@json_option
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@connected
async def list_jobs(ledger: Ledger, *, as_json: bool, limit: int) -> None:
    """List jobs."""
    page = await ledger.jobs.list(limit=limit)
    if as_json:
        printing.print_json(page)
        return
    printing.print_table(
        ("job", "steps", "schedule", "next due", "description"),
        (
            (
                printing.plain(view.job_id),
                len(view.definition.steps),
                printing.plain(_schedule(view.schedule)),
                printing.instant(view.next_due_at[0] if view.next_due_at else None),
                printing.plain(view.definition.description),
            )
            for view in page.jobs
        ),
    )


@job.command("show")
@click.argument("job_id")
@json_option
@connected
async def show_job(ledger: Ledger, *, job_id: str, as_json: bool) -> None:
    """Show one job."""
    view = await ledger.jobs.get(job_id)
    if as_json:
        printing.print_json(view)
    else:
        _print_job(view)


@job.command("define")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@json_option
@connected
async def define_job(ledger: Ledger, *, files: tuple[Path, ...], as_json: bool) -> None:
    """Define jobs from FILES, or replace their definitions.

    A file holds {"job_id": …, "definition": {…}, "schedule": {…}}; the schedule may be left out.
    """
    for file in files:
        view = await put_job(ledger, read_job(file))
        if as_json:
            printing.print_json(view)
        else:
            printing.console().print(f"{printing.plain(view.job_id)} is defined")


def read_job(file: Path) -> JobPost:
    """Read a job's file.

    Raises:
        UsageError: it does not hold one.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=JobPost)
    except (OSError, msgspec.DecodeError) as error:
        raise click.UsageError(f"{file}: {error}") from error


async def put_job(ledger: Ledger, post: JobPost) -> JobView:
    """Define a job, and set its schedule if it has one."""
    view = await ledger.jobs.put(post.job_id, post.definition)
    if post.schedule is None:
        return view
    await ledger.jobs.set_schedule(post.job_id, post.schedule)
    return await ledger.jobs.get(post.job_id)


@job.command("retire")
@click.argument("job_id")
@connected
async def retire_job(ledger: Ledger, *, job_id: str) -> None:
    """Take a job out of use; its executions stay."""
    await ledger.jobs.retire(job_id)


@job.command("schedule")
@click.argument("job_id")
@click.option(
    "--cron", help="Five fields: minute hour day month weekday; six begin with the second."
)
@click.option("--at", "instants", multiple=True, help="An instant (RFC 3339); may be repeated.")
@click.option("--time-zone", default="UTC", show_default=True, help="IANA name.")
@click.option("--paused", is_flag=True, help="Keep the schedule, but do not act on it.")
@click.option("--clear", is_flag=True, help="Remove the schedule.")
@json_option
@connected
async def schedule_job(
    ledger: Ledger,
    *,
    job_id: str,
    cron: str | None,
    instants: tuple[str, ...],
    time_zone: str,
    paused: bool,
    clear: bool,
    as_json: bool,
) -> None:
    """Say when a job runs by itself."""
    if clear:
        await ledger.jobs.clear_schedule(job_id)
        return
    if cron is None and not instants:
        raise click.UsageError("give --cron, --at or --clear")
    try:
        at = tuple(datetime.fromisoformat(text) for text in instants)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from error
    schedule = Schedule(cron=cron, at=at, time_zone=time_zone, paused=paused)
    await ledger.jobs.set_schedule(job_id, schedule)
    view = await ledger.jobs.get(job_id)
    if as_json:
        printing.print_json(view)
    else:
        _print_job(view)


@job.command("history")
@click.argument("job_id")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option
@connected
async def job_history(ledger: Ledger, *, job_id: str, limit: int, as_json: bool) -> None:
    """List a job's executions, newest first, deleted ones included."""
    page = await ledger.jobs.history(job_id, limit=limit)
    if as_json:
        printing.print_json(page)
        return
    printing.print_table(
        ("#", "state", "exit code", "created", "duration", "by", ""),
        (
            (
                view.number,
                printing.state(view.status, view.outcome),
                printing.plain(view.exit_code),
                printing.instant(view.created_at),
                printing.seconds(None if view.duration_ms is None else view.duration_ms / 1000),
                printing.plain(view.user or view.trigger),
                "deleted" if view.deleted else "",
            )
            for view in page.executions
        ),
    )


def _schedule(schedule: Schedule | None) -> str:
    if schedule is None:
        return ""
    when = schedule.cron or f"{len(schedule.at)} instants"
    zone = "" if schedule.time_zone == "UTC" else f" {schedule.time_zone}"
    return f"{when}{zone}{' (paused)' if schedule.paused else ''}"


def _print_job(view: JobView) -> None:
    out = printing.console()
    out.print(f"[bold]{printing.plain(view.job_id)}[/bold]  #{view.number}  {view.uuid}")
    if view.definition.description:
        out.print(printing.plain(view.definition.description))
    if view.schedule is not None:
        due = ", ".join(printing.instant(at) for at in view.next_due_at[:3])
        out.print(f"schedule {printing.plain(_schedule(view.schedule))}; next {due or '-'}")
    for parameter in view.definition.parameters:
        need = "required" if parameter.required else "optional"
        out.print(f"parameter {printing.plain(parameter.name)} ({parameter.type}, {need})")
    printing.print_table(
        ("#", "step", "type", "description"),
        (
            (
                place,
                printing.plain(step.step_id),
                printing.plain(step.step_type_id or f"includes {step.include}"),
                printing.plain(step.description),
            )
            for place, step in enumerate(view.definition.steps, start=1)
        ),
    )
