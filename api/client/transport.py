"""One HTTP call: its time limit, its repeats, and the reading of its answer."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from structlog import get_logger

from api.client.errors import BadAnswer, Busy, Refused, Unreachable, refusal
from api.client.lines import LineStream
from api.native.wire import Problem

T = TypeVar("T")

Query = Mapping[str, str | int | float | bool | None]

TIMEOUT_S: Final = 30.0
CONNECT_TIMEOUT_S: Final = 5.0
MAX_TRIES: Final = 5
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0

_PROBLEMS: Final = msgspec.json.Decoder(Problem)
_log = get_logger(__name__)


def pause_before(attempt: int, at_least_s: float = 0.0) -> float:
    """Give a jittered wait before *attempt* (2 is the first repetition).

    Units: seconds, at most `LONGEST_PAUSE_S`.
    """
    exponent = min(max(attempt - 2, 0), 16)
    pause_s = FIRST_PAUSE_S * float(2**exponent) * random.uniform(0.5, 1.5)
    return min(max(pause_s, at_least_s), LONGEST_PAUSE_S)


def segment(name: str) -> str:
    """Quote a name for use as one segment of a path."""
    return quote(name, safe="")


class Transport:
    """Calls to one server under one key; use it as a context manager."""

    def __init__(self, url: str, key: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._session = aiohttp.ClientSession(
            headers={"Accept": "application/json", **headers},
            connector=aiohttp.TCPConnector(limit=0),
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(
        self,
        method: str,
        path: str,
        answer: msgspec.json.Decoder[T],
        *,
        query: Query | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool = True,
        wait_s: float = 0.0,
    ) -> T:
        """Send a request and decode the answer.

        Args:
            method: the HTTP verb.
            path: absolute, quoted already.
            answer: how to read a success.
            query: entries that are None are left out.
            body: sent as JSON; bytes are sent as they are.
            headers: besides the usual ones.
            repeat: whether a repetition is harmless, so that lost connections and refusals
                for lack of room are tried again, a bounded number of times.
            wait_s: how long the server may hold the request on purpose (a long-poll).

        Raises:
            Unreachable: no answer within the time limits, on any try.
            Refused: the server answered with a problem; see its subclasses.
            BadAnswer: the answer does not have the agreed form.
        """
        raw = await self.fetch(
            method, path, query=query, body=body, headers=headers, repeat=repeat, wait_s=wait_s
        )
        try:
            return answer.decode(raw)
        except msgspec.DecodeError as error:
            raise BadAnswer(200, str(error)) from error

    async def fetch(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool = True,
        wait_s: float = 0.0,
    ) -> bytes:
        """Send a request and give the body of a success; see `call`.

        Raises:
            Unreachable: no answer within the time limits, on any try.
            Refused: the server answered with a problem; see its subclasses.
        """
        once = partial(
            self._once, method, path, query=query, body=body, headers=headers, wait_s=wait_s
        )
        tries = MAX_TRIES if repeat else 1
        for attempt in range(1, tries):
            try:
                return await once()
            except Unreachable:
                pause_s = pause_before(attempt + 1)
            except Busy as busy:
                pause_s = pause_before(attempt + 1, busy.retry_after_s)
            _log.debug("call repeated", method=method, path=path, attempt=attempt + 1)
            await asyncio.sleep(pause_s)
        return await once()

    async def _once(
        self,
        method: str,
        path: str,
        *,
        query: Query | None,
        body: Any,
        headers: Mapping[str, str] | None,
        wait_s: float,
    ) -> bytes:
        if self._session is None:
            raise RuntimeError("the transport is used outside its `async with`")
        sent = dict(headers or {})
        content = None
        if body is not None:
            content = body if isinstance(body, bytes) else msgspec.json.encode(body)
            sent.setdefault("Content-Type", "application/json")
        timeout = aiohttp.ClientTimeout(
            total=self._timeout_s + wait_s, sock_connect=CONNECT_TIMEOUT_S
        )
        with self._losses():
            async with self._session.request(
                method,
                self.url + path,
                params=_query(query),
                data=content,
                headers=sent,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                raw = await response.read()
                if 200 <= response.status < 300:
                    return raw
                raise _refusal(response, raw)

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Query | None = None, accept: str
    ) -> AsyncIterator[LineStream]:
        """Ask for an answer that does not end by itself, and read it within the context.

        Raises:
            Unreachable: no answer came, or it was lost.
            Refused: the server answered with a problem; see its subclasses.
        """
        if self._session is None:
            raise RuntimeError("the transport is used outside its `async with`")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
        with self._losses():
            async with asyncio.timeout(self._timeout_s):
                response = await self._session.get(
                    self.url + path,
                    params=_query(query),
                    headers={"Accept": accept},
                    timeout=timeout,
                    allow_redirects=False,
                )
            try:
                if response.status != 200:
                    raise _refusal(response, await response.read())
                yield LineStream(response)
            finally:
                response.close()

    @contextmanager
    def _losses(self) -> Iterator[None]:
        """Turn the loss of the server into `Unreachable`."""
        try:
            yield
        except TimeoutError as error:
            raise Unreachable(self.url, "no answer in time") from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise Unreachable(self.url, "this is not an http(s) address") from error
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno
            reason = os.strerror(number) if number else str(error.os_error)
            raise Unreachable(self.url, reason) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(self.url, str(error) or type(error).__name__) from error


def _query(query: Query | None) -> dict[str, str]:
    def text(value: str | float) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    return {name: text(value) for name, value in (query or {}).items() if value is not None}


def _refusal(response: aiohttp.ClientResponse, raw: bytes) -> Refused:
    """Read a problem document; make one up from the status when the body is none."""
    try:
        problem = _PROBLEMS.decode(raw)
    except msgspec.DecodeError:
        problem = Problem(
            type="about:blank",
            title=response.reason or "refused",
            status=response.status,
            detail=f"the server answered {response.status} {response.reason or ''}".strip(),
        )
    retry_after = response.headers.get("Retry-After", "")
    if problem.retry_after_s is None and retry_after.isdigit():
        problem = msgspec.structs.replace(problem, retry_after_s=float(retry_after))
    return refusal(problem)
