"""One request to one webhook, and what came of it."""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Final

import aiohttp
from msgspec import Struct

from api.webhooks.message import Message
from api.webhooks.target import GuardedResolver, guarded_socket, is_refusal, why_not
from ledger.clock import Clock

GONE: Final = 410
CONNECT_TIMEOUT_S: Final = 10.0
MAX_RETRY_AFTER_S: Final = 86_400.0
MAX_HEADER_BYTES: Final = 8192


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of one attempt."""

    status: int | None = None
    error: str = ""
    """A class of trouble, never what the receiver said; empty on success."""
    duration_ms: int = 0
    retry_after_s: float | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver took it."""
        return not self.error

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing more, ever."""
        return self.status == GONE


class Sender:
    """Sends; one a process. Connections are kept, and bounded in number."""

    def __init__(self, *, private: bool, connections: int, clock: Clock) -> None:
        self._private = private
        self._clock = clock
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections,
                resolver=GuardedResolver(private=private),
                use_dns_cache=False,
                socket_factory=None if private else guarded_socket,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"jobledger-webhooks/{version('jobledger')}"},
            auto_decompress=False,
            trust_env=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(
        self, url: str, message: Message, keys: list[bytes], timeout_s: float
    ) -> Outcome:
        """Make one attempt. Never raises for what the receiver or the network does."""
        if why_not(url, private=self._private) is not None:
            return Outcome(error="target-refused")
        started = time.perf_counter()
        now = self._clock()
        try:
            async with self._session.post(
                url,
                data=message.body,
                headers=message.headers(keys, int(now.timestamp())),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=timeout_s, sock_connect=min(CONNECT_TIMEOUT_S, timeout_s)
                ),
            ) as response:
                return Outcome(
                    status=response.status,
                    error=_error_of(response.status),
                    duration_ms=_since(started),
                    retry_after_s=retry_after(response.headers.get("Retry-After"), now),
                )
        except TimeoutError:
            error = "timeout"
        except (aiohttp.ClientError, OSError, ValueError) as trouble:
            error = _class_of(trouble)
        return Outcome(error=error, duration_ms=_since(started))


def _since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


def _error_of(status: int) -> str:
    match status // 100:
        case 2:
            return ""
        case 3:
            return "redirect-refused"
        case _:
            return "status"


def _class_of(trouble: Exception) -> str:
    match trouble:
        case _ if is_refusal(trouble):
            return "target-refused"
        case aiohttp.ClientConnectorDNSError():
            return "name-unknown"
        case aiohttp.ClientSSLError():
            return "tls"
        case aiohttp.ClientConnectorError():
            return "connect"
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return "bad-answer"
        case _:
            return "connection-lost"


def retry_after(header: str | None, now: datetime) -> float | None:
    """Read Retry-After (RFC 9110 section 10.2.3), in either form.

    Units: seconds from *now*, at most a day.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return min(max((aware - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)
