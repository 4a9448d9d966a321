"""What a route declares about itself: who may call it, what it takes and gives."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

from aiohttp import web
from msgspec import Struct

from api.native.call import Call
from ledger.events.keys import Role

CallHandler: TypeAlias = Callable[[Call], Awaitable[web.StreamResponse]]
OpenHandler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_FORM: Final = re.compile(r"{(\w+):[^}]*}")


class Query(Struct, frozen=True, kw_only=True):
    """A query parameter, for the description."""

    name: str
    description: str
    type: str = "string"
    repeated: bool = False


class Route(Struct, frozen=True, kw_only=True):
    """One operation of the native API."""

    method: str
    path: str
    handler: CallHandler
    roles: frozenset[Role]
    """Who may call it; nobody else learns more than that."""
    summary: str
    tag: str
    body: Any = None
    body_type: str = "application/json"
    body_required: bool = True
    answer: Any = None
    answer_type: str = "application/json"
    answers: Mapping[str, Any] = {}
    """Other media types that a client may ask for, and what they hold."""
    status: int = 200
    query: tuple[Query, ...] = ()
    headers: tuple[str, ...] = ()
    """Request headers that mean something here."""

    @property
    def template(self) -> str:
        """The path as a description tells it: without the forms that the router looks for."""
        return _FORM.sub(r"{\1}", self.path)


class OpenRoute(Struct, frozen=True, kw_only=True):
    """A path that anybody may read."""

    path: str
    handler: OpenHandler
    summary: str
