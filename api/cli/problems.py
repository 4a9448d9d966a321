"""Errors in a person's words, on standard error."""

import click

from api.client.errors import AccessDenied, Busy, ClientError, Refused, Unreachable


def say(error: ClientError) -> None:
    """Show what went wrong, and what may help."""
    # Much of it is the server's words, which may quote somebody's.
    words = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in describe(error))
    click.echo(f"{click.style('error:', fg='red', bold=True)} {words}", err=True)
    if hint := advise(error):
        click.echo(f"  {hint}", err=True)


def describe(error: ClientError) -> str:
    """Tell in one line, or a few, what went wrong."""
    if not isinstance(error, Refused):
        return str(error)
    problem = error.problem
    lines = [problem.title]
    if problem.detail and problem.detail != problem.title:
        lines[0] += f": {problem.detail}"
    if problem.path:
        lines.append(f"  at {problem.path}")
    if problem.execution is not None:
        lines.append(f"  execution {problem.execution}")
    if problem.request_id:
        lines.append(f"  request {problem.request_id}")
    return "\n".join(lines)


def advise(error: ClientError) -> str:
    """Say what may help, when something can be said."""
    match error:
        case Unreachable():
            return "Is the server running? Start it with `jobledger serve`, or name it by --url."
        case AccessDenied():
            return "Give a key by JOBLEDGER_KEY, or name the server's data directory by --data."
        case Busy():
            return f"Try again in {error.retry_after_s:g} s."
        case _:
            return ""
