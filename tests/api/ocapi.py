"""What the tests of OCAPI share: callers with tokens, jobs, and workers that do their steps."""

from base64 import b64encode
from typing import Any, Final
from urllib.parse import quote

import msgspec

from tests.api.serving import Answer, Caller, Server

DATA: Final = "/s/-/dw/data/v17_4"
LATER: Final = "/s/-/dw/data/v23_2"


def basic(user: str, password: str) -> dict[str, str]:
    """Give the header of HTTP Basic."""
    told = b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {told}"}


def executions(job_id: str, root: str = DATA) -> str:
    """Give the path of a job's executions."""
    return f"{root}/jobs/{quote(job_id, safe='')}/executions"


async def ask_token(
    server: Caller, user: str, password: str, *, path: str = "/dwsso/oauth2/access_token"
) -> Answer:
    """Ask for a client's token."""
    return await server.post(
        path,
        b"grant_type=client_credentials",
        headers={
            **basic(user, password),
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )


async def client(server: Server) -> Caller:
    """Give a caller that shows a token."""
    known = server.credentials
    answer = await ask_token(server, known.client_id, known.client_secret)
    return server.under(answer.expect(200).json["access_token"])


def fault(answer: Answer, status: int, kind: str, **arguments: Any) -> Any:
    """Fail unless it is a fault document of that kind; *arguments* must be among its own."""
    body = answer.expect(status).json
    assert list(body) == ["_v", "fault"]
    assert list(body["fault"]) == ["arguments", "type", "message"]
    assert body["fault"]["type"] == kind, body
    assert body["fault"]["message"]
    told = body["fault"]["arguments"]
    assert {name: told.get(name) for name in arguments} == arguments, body
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
    return body["fault"]


def compact(text: str) -> bytes:
    """Write a sample as the server does: the same names in the same order, without blanks."""
    return msgspec.json.encode(msgspec.json.decode(text))
