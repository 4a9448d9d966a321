"""A connection to one ledger: open it once, then use its groups of routes."""

from types import TracebackType
from typing import Self

from api.client.admin import Keys, Projections
from api.client.audit import Audit
from api.client.consumers import Consumers
from api.client.errors import Refused, Unreachable
from api.client.events import Events
from api.client.executions import Executions
from api.client.jobs import Jobs
from api.client.transport import TIMEOUT_S, Transport
from api.client.work import Work


class Ledger:
    """The native API of the ledger at *url*, under *key*.

    >>> async def runs_a_job() -> int:
    ...     async with Ledger("http://127.0.0.1:8080", "key") as ledger:
    ...         return (await ledger.executions.create("CustomerImportJob")).number
    """

    def __init__(self, url: str, key: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._transport = Transport(url, key, timeout_s=timeout_s)
        self.jobs = Jobs(self._transport)
        self.executions = Executions(self._transport)
        self.events = Events(self._transport)
        self.consumers = Consumers(self._transport)
        self.work = Work(self._transport)
        self.projections = Projections(self._transport)
        self.keys = Keys(self._transport)
        self.audit = Audit(self._transport)

    @property
    def url(self) -> str:
        """The server's address, without a closing slash."""
        return self._transport.url

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._transport.__aexit__(exc_type, exc, traceback)

    async def is_ready(self) -> bool:
        """Ask once whether the server takes requests."""
        try:
            await self._transport.fetch("GET", "/readyz", repeat=False)
        except (Unreachable, Refused):
            return False
        return True
