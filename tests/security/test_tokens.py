"""Forged, stale and stolen credentials: none of them opens a door, whatever API they are shown to."""

import hashlib
import inspect
import json
import re
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import api
import ledger
from api.auth import authenticate, tokens
from api.auth.credentials import ensure_credentials
from ledger.handle.keys import new_secret, secret_digest
from tests.api.ocapi import ask_token, client
from tests.api.serving import Server
from tests.security.forms import failed, of_path
from tests.waiting import eventually

DOORS: Final = (
    "/v1/jobs",
    "/v1/events",
    "/v1/data_factory/job_executions",
    "/v2/jobs",
    "/rest/jobs/list-running",
    "/dw/data/v17_4/jobs/Job/executions",
)
"""One route of each API that a good token opens."""


def part(value: Any) -> str:
    """Encode a part of a token."""
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def read(text: str) -> Any:
    """Read a part of a token."""
    return json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


async def opens(server: Server, token: str) -> list[int]:
    """Show a token everywhere; a refusal must be 401 in the API's own form."""
    statuses: list[int] = []
    for path in DOORS:
        for headers in ({"Authorization": f"Bearer {token}"}, {"X-Api-Key": token}):
            answer = await server.under("").call("GET", path, headers=headers)
            if answer.status >= 400:
                failed(of_path(path), answer, 401)
            statuses.append(answer.status)
    return statuses


async def test_a_token_of_ours_opens_every_api(server: Server) -> None:
    """What the token endpoint gives works on all of them, with the rights of its key."""
    await server.define("Job")
    assert set(await opens(server, (await client(server)).key)) == {200}
    made = (await server.post("/v1/keys", {"name": "v", "roles": ["viewer"]})).expect(201).json
    answer = await ask_token(server, made["key"]["public_id"], made["secret"])
    viewer = server.under(answer.expect(200).json["access_token"])
    (await viewer.get("/v1/jobs")).expect(200)
    (await viewer.post("/v1/jobs", {})).problem(403, "forbidden")
    (await server.delete(f"/v1/keys/{made['key']['uuid']}")).expect(204)

    async def shut() -> bool:
        return (await viewer.get("/v1/jobs")).status == 401

    assert await eventually(shut)


async def test_forged_tokens_open_nothing(server: Server, tmp_path: Path) -> None:
    """Another algorithm, key, signer, name of a key or set of claims: 401 at every door."""
    await server.define("Job")
    good = (await client(server)).key
    head, body, signature = good.split(".")
    header, claims = read(head), read(body)
    own = serialization.load_pem_private_key((tmp_path / "token-key.pem").read_bytes(), None)
    assert isinstance(own, Ed25519PrivateKey)
    public = own.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    stranger = Ed25519PrivateKey.generate()

    def signed(key: Ed25519PrivateKey = own, **more: Any) -> str:
        told = {**header, **more.pop("header", {})}
        body = {name: value for name, value in {**claims, **more}.items() if value is not None}
        content = f"{part(told)}.{part(body)}"
        return f"{content}.{urlsafe_b64encode(key.sign(content.encode())).decode().rstrip('=')}"

    def hmac_of(secret: bytes) -> str:
        told = f"{part({**header, 'alg': 'HS256'})}.{body}"
        mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
        signature = mac.sign(told.encode(), secret)
        return f"{told}.{urlsafe_b64encode(signature).decode().rstrip('=')}"

    now = claims["iat"]
    forged: dict[str, str] = {
        "no algorithm": f"{part({**header, 'alg': 'none'})}.{body}.",
        "no algorithm, a signature": f"{part({**header, 'alg': 'none'})}.{body}.{signature}",
        "None": f"{part({**header, 'alg': 'None'})}.{body}.{signature}",
        "HS256 with the public key's PEM": hmac_of(pem),
        "HS256 with the public key's bytes": hmac_of(raw),
        "HS256 with the key's name": hmac_of(header["kid"].encode()),
        "another key": signed(stranger),
        "another key under no name": signed(stranger, header={"kid": None}),
        "expired": signed(exp=now - 1),
        "expired long ago": signed(exp=0),
        "never expires": signed(exp=None),
        "not yet valid": signed(nbf=now + 10_000),
        "another issuer": signed(iss="https://evil.example"),
        "another audience": signed(aud="https://evil.example"),
        "nobody": signed(sub="01980000-0000-7000-8000-000000000000"),
        "no client": signed(azp="01980000-0000-7000-8000-000000000000"),
        "a subject that is none": signed(sub="' or 1=1 --"),
        "cut off": good[:-5],
        "without a signature": f"{head}.{body}.",
        "two parts": f"{head}.{body}",
        "four parts": f"{good}.{signature}",
        "changed claims": f"{head}.{part({**claims, 'exp': now + 10**6})}.{signature}",
        "changed header": f"{part({**header, 'x': 1})}.{body}.{signature}",
        "a long one": f"{head}.{part({**claims, 'x': 'x' * 9000})}.{signature}",
    }
    for kid in (
        "../../../../dev/null",
        "/etc/passwd",
        "' union select 'x' --",
        "a" * 4000,
        "0" * 32,
        "",
        "\x00",
        "http://127.0.0.1:9/key",
    ):
        forged[f"kid {kid[:20]!r}"] = signed(stranger, header={"kid": kid})
    forged["kid that is no text"] = f"{part({**header, 'kid': {'a': 1}})}.{body}.{signature}"
    for name, value in (
        ("jku", "http://127.0.0.1:9/keys"),
        ("x5u", "http://127.0.0.1:9/cert"),
        ("jwk", json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(stranger.public_key()))),
    ):
        forged[name] = signed(stranger, header={name: value})
    for name, token in forged.items():
        try:
            assert set(await opens(server, token)) == {401}
        except AssertionError as error:
            error.add_note(name)
            raise
    assert set(await opens(server, good)) == {200}
    assert set(await opens(server, signed())) == {200}, "the forger's own tool works"


async def test_a_stream_ends_with_the_token_that_opened_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that is followed under a token ends, in good order, when that has expired."""
    await server.define("Job")
    known = server.credentials
    principal = await server.node.authenticator.by_secret(known.client_secret)
    assert principal is not None
    now = server.node.clock().timestamp()
    monkeypatch.setattr(tokens, "LIFETIME_S", 2)
    token = await server.node.tokens.issue(principal)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/x-ndjson"}
    url = f"{server.url}/v1/events?follow=true&after=0"
    async with server.session.get(url, headers=headers) as response:
        assert response.status == 200
        said = await response.read()
    assert b"job.defined" in said
    assert server.node.clock().timestamp() >= int(now) + 2
    (await server.under(token).get("/v1/jobs")).problem(401)


async def test_odd_basic_credentials_open_nothing_and_break_nothing(server: Server) -> None:
    """Whatever stands after Basic, the answer is 401 in the API's own form."""
    user, password = server.credentials.user, server.credentials.password
    for told in (
        b"",
        b"=",
        b"!!!",
        b64encode(b""),
        b64encode(b":"),
        b64encode(f"{user}:".encode()),
        b64encode(f":{password}".encode()),
        b64encode(user.encode()),
        b64encode(f"{user}:{password}:".encode()),
        b64encode(f"{user}\x00:{password}".encode()),
        b64encode(f"{user}:{password}\n".encode()),
        b64encode(f"{user}:{password}".encode("utf-16")),
        b64encode(b"\xff\xfe:\xfd"),
        b64encode("ü:ß".encode("latin-1")),
        b64encode(f"{user}:{password}".encode()) + b"====",
        b64encode(f"{user.upper()}:{password}".encode()),
        b64encode(b"x" * 9000),
    ):
        for path in (*DOORS, "/dwsso/oauth2/access_token"):
            method = "POST" if "oauth2" in path else "GET"
            body = b"grant_type=client_credentials" if method == "POST" else None
            headers = {"Authorization": f"Basic {told.decode()}"}
            if body:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            answer = await server.under("").call(method, path, body, headers=headers)
            failed(of_path(path), answer, 401)


def sources() -> list[Path]:
    """Give the source files of the server."""
    roots = [Path(inspect.getfile(package)).parent for package in (api, ledger)]
    return [path for root in roots for path in root.rglob("*.py")]


def test_secrets_are_only_ever_looked_up_by_their_digest() -> None:
    """No code compares a secret with another by its letters: a digest is the key of a lookup.

    Whoever compares two digests or signatures does it in constant time.
    """
    comparing = re.compile(
        r"(?:secret|password|signature|mac|admin_key|api_key|token)\w*\s*(?:==|!=)"
        r"|(?:==|!=)\s*\w*\.?(?:secret|password|signature|admin_key|api_key)\b"
    )
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in sources()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if comparing.search(line) and not line.lstrip().startswith(("#", '"'))
    ]
    assert found == []
    looked_up = inspect.getsource(authenticate.Authenticator.by_secret)
    assert "secret_digest(secret)" in looked_up
    assert secret_digest("x") == hashlib.sha256(b"x").hexdigest()


async def test_the_public_id_beside_a_secret_tells_nothing(server: Server) -> None:
    """A wrong user with a right password, and a right user with a wrong one, are refused alike."""
    known = server.credentials
    answers = []
    for user, password in (
        (known.user, "wrong"),
        ("nobody", known.password),
        ("nobody", "wrong"),
    ):
        told = b64encode(f"{user}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {told}", "X-Request-Id": "same"}
        answer = await server.under("").call("GET", "/v1/jobs", headers=headers)
        answers.append((answer.status, answer.raw, {**answer.headers, "Date": ""}))
    assert answers[0] == answers[1] == answers[2]


def test_secrets_of_our_own_have_256_random_bits() -> None:
    """None is made twice, and each decodes to 32 bytes."""
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(urlsafe_b64decode(one + "==")) == 32 for one in made)


async def test_a_first_secret_that_can_be_guessed_stops_the_start(
    server: Server, tmp_path: Path
) -> None:
    """A short secret in the credentials file is refused by name: its digest would be in the log."""
    file = tmp_path / "credentials.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "password": "hunter2"}))
    with pytest.raises(ValueError, match="password must have at least 24 characters") as refused:
        await ensure_credentials(tmp_path, server.url, server.node.keys)
    assert "hunter2" not in str(refused.value)
