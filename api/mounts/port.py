"""What a mount is to the application."""

from collections.abc import Iterable
from typing import Final, Protocol

from aiohttp import web


class Mount(Protocol):
    """One vendor's API on our port."""

    @property
    def name(self) -> str:
        """The dialect's name."""
        ...

    def owns(self, path: str) -> bool:
        """Whether a path is the vendor's, so that its failures take the vendor's form."""
        ...

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The vendor's paths and their handlers."""
        ...

    def failure(self, request: web.Request, error: Exception) -> web.Response:
        """Render whatever was raised on one of its paths; never raises.

        *error* may be a `ProblemError`, a `LedgerError`, a `web.HTTPException` (404, 405, 413 and
        the like), an error of the dialect's own, or anything else, of which nothing is told.
        """
        ...


MOUNTED: Final[web.AppKey[tuple[Mount, ...]]] = web.AppKey("mounted", tuple)


def owner_of(request: web.Request) -> Mount | None:
    """Find the mount that a request's path belongs to."""
    return next((mount for mount in request.app[MOUNTED] if mount.owns(request.path)), None)
