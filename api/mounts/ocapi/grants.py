"""The token endpoints: client credentials, and a user who logs in through a client.

Secrets come in HTTP Basic, raw or percent-encoded; the errors are those of RFC 6749 section 5.2.
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote, unquote_plus

import msgspec
from aiohttp import web

from api.auth.principal import Principal
from api.auth.tokens import EXPIRES_IN_S
from api.mounts.ocapi.incoming import read
from api.native.call import NODE

CLIENT_GRANT: Final = "client_credentials"
USER_GRANT: Final = "urn:demandware:params:oauth:grant-type:client-id:dwsid:dwsecuretoken"
NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
MAX_FORM: Final = 16 * 1024
MAX_FIELDS: Final = 20


class Refused(Exception):
    """No token is given."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        self.error = error
        self.description = description
        self.status = status
        super().__init__(error)


async def give_token(request: web.Request) -> web.Response:
    """Give a token, or say why not."""
    try:
        token = await _token(request)
    except Refused as refused:
        return refusal(refused.status, refused.error, refused.description)
    body = {
        "access_token": token,
        "expires_in": EXPIRES_IN_S,
        "scope": "mail",
        "token_type": "Bearer",
    }
    return _answer(200, body)


def refusal(status: int, error: str, description: str) -> web.Response:
    """Say that no token is given."""
    response = _answer(status, {"error": error, "error_description": description})
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="jobledger"'
    return response


def _answer(status: int, body: dict[str, object]) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        headers={"Content-Type": "application/json;charset=UTF-8", **NO_STORE},
    )


async def _token(request: web.Request) -> str:
    node = request.app[NODE]
    raw = await read(request, node.settings.client_timeout_s)
    form = _form(raw)
    grant = form.get("grant_type", "")
    if grant == CLIENT_GRANT:
        return await node.tokens.issue(await _client(request, form))
    if grant == USER_GRANT:
        client, user = await _user(request, form)
        return await node.tokens.issue(client, user)
    if not grant:
        raise Refused("invalid_request", "The grant_type is missing.")
    raise Refused("unsupported_grant_type", "The grant_type is not supported.")


def _form(raw: bytes) -> Mapping[str, str]:
    """Read the form; colons and slashes in it may come unescaped."""
    if len(raw) > MAX_FORM:
        raise Refused("invalid_request", "The request is too large.")
    text = raw.decode("utf-8", "replace").strip()
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise Refused("invalid_request", "The form cannot be read.") from None


async def _client(request: web.Request, form: Mapping[str, str]) -> Principal:
    """Find the client by Basic, or by the form."""
    for name, secret in _pairs(request, form):
        principal = await _known(request, name, secret)
        if principal is not None:
            return principal
    raise Refused("invalid_client", "Client authentication failed.", 401)


def _pairs(request: web.Request, form: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    basic = _basic(request)
    if basic is not None:
        name, _, secret = basic.partition(":")
        yield from _readings(name, secret)
    elif "client_id" in form and "client_secret" in form:
        yield form["client_id"], form["client_secret"]


def _readings(name: str, secret: str) -> Iterator[tuple[str, str]]:
    """Give what Basic credentials can mean: as they are, or percent-encoded (RFC 6749 section 2.3.1)."""
    seen: set[tuple[str, str]] = set()
    for reading in (
        (name, secret),
        (unquote(name), unquote(secret)),
        (unquote_plus(name), unquote_plus(secret)),
    ):
        if reading not in seen:
            seen.add(reading)
            yield reading


async def _user(request: web.Request, form: Mapping[str, str]) -> tuple[Principal, Principal]:
    """Find client and user by Basic `user:password:client password` and the client's id."""
    client_id = request.query.get("client_id") or form.get("client_id") or ""
    if not client_id:
        raise Refused("invalid_request", "The client_id is missing.")
    user_name, _, rest = (_basic(request) or "").partition(":")
    password, _, client_secret = rest.rpartition(":")
    client = None
    for _, reading in _readings(client_id, client_secret):
        client = client or await _known(request, client_id, reading)
    if client is None:
        raise Refused("invalid_client", "Client authentication failed.", 401)
    for name, reading in _readings(user_name, password):
        user = await _known(request, name, reading)
        if user is not None:
            return client, user
    raise Refused("invalid_grant", "The user could not be authenticated.", 401)


async def _known(request: web.Request, name: str, secret: str) -> Principal | None:
    if not name or not secret:
        return None
    principal = await request.app[NODE].authenticator.by_secret(secret)
    return principal if principal is not None and principal.public_id == name else None


def _basic(request: web.Request) -> str | None:
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
