"""Step type `http`: one request from the operator's definition, and the status it must answer.

The address is the definition's, word for word, and may be any that the worker can reach: who defines
a job may run programs there, so keeping addresses from it would keep nothing. A redirect is followed
only where the definition says so, since it is the other server that chooses where it leads.
"""

import asyncio
from typing import Annotated, Any, Final

import aiohttp
import msgspec
from msgspec import Meta, Struct

from api.worker.steps.port import StepContext, read_settings
from api.worker.steps.result import StepFailed, StepResult

MAX_KEPT_BYTES: Final = 65_536


class HttpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `with` of an http step."""

    url: Annotated[str, Meta(pattern=r"^https?://")]
    method: str = "GET"
    headers: dict[str, str] = {}
    body: Any = None
    """Text is sent as it is, anything else as JSON."""
    send_input: bool = False
    """Send the execution's input as JSON, in place of `body`."""
    follow_redirects: bool = False
    expect: tuple[int, ...] = (200, 201, 202, 204)
    timeout_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0


async def run_http(context: StepContext) -> StepResult:
    """Send the request; the answer's first part becomes the step's output.

    Raises:
        StepFailed: the settings are wrong, or no answer came.
    """
    settings = read_settings(context, HttpSettings)
    body = context.input if settings.send_input else settings.body
    headers = dict(settings.headers)
    content: str | bytes | None
    if body is None or isinstance(body, str):
        content = body
    else:
        content = msgspec.json.encode(body)
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
    timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(
                settings.method,
                settings.url,
                headers=headers,
                data=content,
                allow_redirects=settings.follow_redirects,
            ) as response,
        ):
            kept = await _first_part(response)
            status = response.status
            kind = response.content_type
    except TimeoutError as error:
        reason = f"no answer within {settings.timeout_s:g} s"
        raise StepFailed(reason, exit_code="TIMEOUT") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise StepFailed(f"the request failed: {type(error).__name__}: {error}") from error
    answer = {"status": status, "content_type": kind, "body": _readable(kept, kind)}
    if status not in settings.expect:
        return StepResult(
            outcome="error", message=f"the answer's status was {status}", output=answer
        )
    return StepResult(output=answer)


async def _first_part(response: aiohttp.ClientResponse) -> bytes:
    kept = bytearray()
    async for chunk in response.content.iter_any():
        kept += chunk
        if len(kept) >= MAX_KEPT_BYTES:
            break
        await asyncio.sleep(0)
    return bytes(kept[:MAX_KEPT_BYTES])


def _readable(content: bytes, kind: str) -> Any:
    if kind.endswith("json"):
        try:
            return msgspec.json.decode(content)
        except (msgspec.DecodeError, RecursionError):
            pass
    return content.decode("utf-8", "replace")
