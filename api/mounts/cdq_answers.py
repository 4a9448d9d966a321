"""How CDQ's handlers answer, and end a request that was refused."""

from collections.abc import Mapping
from typing import TypeVar

from aiohttp import web
from msgspec import Struct

from api.dialects.cdq import errors, render
from api.dialects.port import DialectError
from api.native.call import Call
from ledger.handle.streams import Done, StaleVersion
from ledger.rejection import Rejection

S = TypeVar("S")


class Refused(DialectError):
    """The request is understood and refused."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


def answer(
    body: Struct, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with JSON."""
    return web.Response(
        body=render.encode(body),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )


def renderer(call: Call) -> render.Renderer:
    """Give what shows jobs as the node is set to."""
    return render.Renderer(quotes_numbers=call.node.settings.cdq_quote_numbers)


def done(call: Call, outcome: Done[S] | Rejection | StaleVersion) -> S:
    """Give the state that a command led to.

    Raises:
        Refused: the ledger refused it.
    """
    if isinstance(outcome, Done):
        call.wrote(outcome.records)
        return outcome.state
    if isinstance(outcome, StaleVersion):
        raise Refused(409, "Somebody else changed it at the same time.")
    raise Refused(*errors.of(outcome))
