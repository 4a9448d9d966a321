"""Tokens of other issuers, checked with the keys of a real JWKS server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from api.auth import issuers
from api.settings import Issuer, from_environment
from ledger.errors import Unavailable
from tests.api.serving import Answer, Server, serving
from tests.security.forms import failed, of_path
from tests.security.test_tokens import DOORS, part, read

ISSUER: Final = "https://login.example"
AUDIENCE: Final = "jobledger"
RSA: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK: Final = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to be refused
CURVE: Final = ec.generate_private_key(ec.SECP256R1())
EDWARDS: Final = ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    """Write a public key as a member of a set."""
    match key:
        case rsa.RSAPrivateKey():
            told = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())
        case ec.EllipticCurvePrivateKey():
            told = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())
        case _:
            told = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key())
    return {**json.loads(told), "kid": kid, "use": "sig", **more}


class Login:
    """An issuer's JWKS server."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [
            jwk(RSA, "rsa"),
            jwk(CURVE, "ec"),
            jwk(EDWARDS, "ed", alg="EdDSA"),
            jwk(WEAK, "weak"),
            jwk(OTHER, "enc", use="enc"),
            {"kty": "oct", "kid": "oct", "k": "c2VjcmV0", "alg": "HS256"},
            {"kty": "??", "kid": "odd"},
        ]
        self.answer: Callable[[], web.StreamResponse] | None = None
        self.asked = 0
        self.url = ""

    async def jwks(self, request: web.Request) -> web.StreamResponse:
        """Give the keys, or what the test wants given."""
        self.asked += 1
        return self.answer() if self.answer is not None else web.json_response({"keys": self.keys})

    async def elsewhere(self, request: web.Request) -> web.StreamResponse:
        """Give keys at an address that nobody configured."""
        self.asked += 1000
        return web.json_response({"keys": self.keys})


@pytest.fixture
async def login() -> AsyncIterator[Login]:
    """Serve keys on this machine."""
    here = Login()
    app = web.Application()
    app.router.add_get("/keys", here.jwks)
    app.router.add_get("/elsewhere", here.elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    here.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield here
    finally:
        await runner.cleanup()


def trusted(login: Login, **more: Any) -> Issuer:
    """Trust the issuer, as an operator would."""
    told: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwks_url": f"{login.url}/keys",
        "roles_claim": "realm.roles",
        "roles": {"jobs-reader": "viewer", "jobs-boss": "admin", "jobs-auditor": "auditor"},
        "organizations_claim": "tenants",
        **more,
    }
    return Issuer(**told)


@pytest.fixture
async def server(
    database_url: str, tmp_path: Path, login: Login, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    """Give a server that trusts the issuer."""
    async with serving(
        database_url, tmp_path, issuers=(trusted(login),), product_live_rate_per_minute=0
    ) as here:
        await here.define("Job")
        yield here


def token(
    server: Server, key: Any = RSA, kid: str | None = "rsa", algorithm: str = "RS256", **more: Any
) -> str:
    """Make a token as the issuer would."""
    now = int(server.node.clock().timestamp())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ann",
        "iat": now,
        "exp": now + 300,
        "realm": {"roles": ["jobs-reader", "something-else"]},
        "tenants": ["default"],
        **more.pop("claims", {}),
    }
    headers = {**({"kid": kid} if kid is not None else {}), **more}
    told = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(told, key, algorithm=algorithm, headers=headers)


async def ask(server: Server, shown: str, path: str = "/v1/jobs", method: str = "GET") -> Answer:
    """Call under a token."""
    return await server.under("").call(method, path, headers={"Authorization": f"Bearer {shown}"})


async def test_an_issuers_token_opens_every_api_with_the_rights_of_its_claims(
    server: Server,
) -> None:
    """Roles and organizations are what the operator's mapping says; the actor is the subject."""
    reader = token(server)
    for path in DOORS:
        (await ask(server, reader, path)).expect(200)
    (await ask(server, reader, "/v1/jobs/Job/executions", "POST")).problem(403, "forbidden")
    boss = token(server, claims={"realm": {"roles": ["jobs-boss"]}})
    run = (await ask(server, boss, "/v1/jobs/Job/executions", "POST")).expect(201).json
    assert run["user"] == "ann@login.example"
    assert (await ask(server, boss, "/v1/keys")).status == 200
    stranger = token(server, claims={"tenants": "other"})
    assert (await ask(server, stranger)).expect(200).json["jobs"] == []
    (await ask(server, stranger, f"/v1/executions/{run['uuid']}")).problem(404, "not-found")
    me = (await ask(server, reader, "/v1/me")).expect(200).json
    assert (me["roles"], me["organizations"]) == (["viewer"], ["default"])
    for key, kid, algorithm in ((CURVE, "ec", "ES256"), (EDWARDS, "ed", "EdDSA")):
        (await ask(server, token(server, key, kid, algorithm))).expect(200)


async def test_what_the_mapping_does_not_say_opens_nothing(server: Server, login: Login) -> None:
    """No role, no organization, `*` from a claim, or another shape of claim: 401."""
    unmapped: tuple[dict[str, Any], ...] = (
        {"realm": {"roles": ["admin", "viewer"]}},
        {"realm": {"roles": []}},
        {"realm": {"roles": {"jobs-boss": True}}},
        {"realm": None},
        {"realm": "jobs-boss"},
        {"tenants": []},
        {"tenants": ["*"]},
        {"tenants": ["a/b"]},
        {"tenants": None},
        {"tenants": [1, None, {}]},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 1000},
        {"sub": "a\nb"},
    )
    for claims in unmapped:
        (await ask(server, token(server, claims=claims))).problem(401, "unauthorized")
    everywhere = trusted(login, organizations={"staff": "*", "acme": "other"})
    now = server.node.clock().timestamp()
    base = {"sub": "ann", "exp": now + 9, "realm": {"roles": ["jobs-reader"]}}
    for told, organizations in ((["staff"], ("*",)), (["acme", "default", "*"], ("other",))):
        found = issuers.principal_of(everywhere, {**base, "tenants": told}, now)
        assert found is not None
        assert found.organizations == organizations


async def test_an_issuers_forged_tokens_open_nothing(server: Server, login: Login) -> None:
    """Wrong keys, algorithms, names, audiences and times are refused at every door."""
    now = int(server.node.clock().timestamp())
    good = token(server)
    (await ask(server, good)).expect(200)
    head, body, signature = good.split(".")
    header = read(head)
    public = jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    confused = f"{part({**header, 'alg': 'HS256'})}.{body}"
    forged = {
        "none": f"{part({**header, 'alg': 'none'})}.{body}.",
        "HS256 with the public key": f"{confused}."
        + jwt.utils.base64url_encode(mac.sign(confused.encode(), public.encode())).decode(),
        "a shared secret of the set": token(server, "secret" * 8, "oct", "HS256"),
        "another key": token(server, OTHER, "rsa"),
        "a key for encryption": token(server, OTHER, "enc"),
        "an unknown key": token(server, OTHER, "nobody"),
        "another's name": token(server, RSA, "ec"),
        "another algorithm than the key's": token(server, RSA, "rsa", "PS256"),
        "no name among several": token(server, RSA, None),
        "expired": token(server, claims={"exp": now - 60}),
        "for ever": token(server, claims={"exp": None}),
        "infinite": token(server, claims={"exp": float("inf")}),
        "exp as text": token(server, claims={"exp": "9999999999"}),
        "exp as truth": token(server, claims={"exp": True}),
        "not yet": token(server, claims={"nbf": now + 600}),
        "made in the future": token(server, claims={"iat": now + 600}),
        "another audience": token(server, claims={"aud": "other"}),
        "no audience": token(server, claims={"aud": None}),
        "another issuer": token(server, claims={"iss": f"{ISSUER}/"}),
        "an issuer that is a list": token(server, claims={"iss": None}),
        "jku": token(server, OTHER, "new", jku=f"{login.url}/elsewhere"),
        "x5u": token(server, OTHER, "new", x5u=f"{login.url}/elsewhere"),
        "jwk": token(server, OTHER, "rsa", jwk=jwk(OTHER, "rsa")),
        "cut": good[:-9],
        "changed": f"{head}.{part({**read(body), 'tenants': ['*']})}.{signature}",
    }
    for name, shown in forged.items():
        for path in DOORS:
            try:
                failed(of_path(path), await ask(server, shown, path), 401)
            except AssertionError as error:
                error.add_note(name)
                raise
    assert login.asked == 1, "no token makes the server ask anywhere, or again and again"
    assert [key.key_id for key in issuers.usable(json.dumps({"keys": login.keys}).encode())] == [
        *("rsa", "ec", "ed"),
    ]


async def test_keys_are_asked_for_with_a_deadline(
    server: Server, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new key is found once a while has passed; a set that cannot be read is kept for a while."""
    shown = token(server)
    await asyncio.gather(*(ask(server, shown) for _ in range(20)))
    assert login.asked == 1
    login.keys = [jwk(OTHER, "new")]
    (await ask(server, token(server, OTHER, "new"))).problem(401)
    assert login.asked == 1
    monkeypatch.setattr(issuers, "ASK_AGAIN_S", 0.0)
    (await ask(server, token(server, OTHER, "new"))).expect(200)
    (await ask(server, token(server, OTHER, None))).expect(200)  # the only one there is
    (await ask(server, token(server, RSA, "rsa", claims={"jti": "1"}))).problem(401)
    asked = login.asked
    monkeypatch.setattr(issuers, "FRESH_S", 0.0)
    for broken in (
        lambda: web.Response(status=500),
        lambda: web.Response(status=302, headers={"Location": f"{login.url}/elsewhere"}),
        lambda: web.Response(body=b"x" * (issuers.MAX_SET_BYTES + 1)),
        lambda: web.Response(body=b'{"keys": {}}'),
        lambda: web.Response(body=b"[" * 100_000),
    ):
        login.answer = broken
        (await ask(server, token(server, OTHER, "new", claims={"jti": str(asked)}))).expect(200)
        asked += 1
        assert login.asked == asked
    monkeypatch.setattr(issuers, "KEPT_S", 0.0)
    for path in DOORS:
        failed(of_path(path), await ask(server, token(server, OTHER, "new", typ="x"), path), 503)
    login.answer = None
    monkeypatch.setattr(issuers, "KEPT_S", 60.0)
    (await ask(server, token(server, OTHER, "new", claims={"jti": "2"}))).expect(200)


async def test_a_set_that_does_not_come_holds_nobody_up(
    server: Server, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An issuer that says nothing is given up in time; keys of our own work meanwhile."""
    monkeypatch.setattr(issuers, "FETCH_TIMEOUT_S", 0.3)
    silent = asyncio.Event()

    @asynccontextmanager
    async def mute() -> AsyncIterator[str]:
        async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await silent.wait()
            writer.close()

        listener = await asyncio.start_server(hold, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        finally:
            silent.set()
            listener.close()
            await listener.wait_closed()

    async with mute() as url:
        keys = issuers.KeySet(url)
        asking = asyncio.create_task(keys.key("rsa"))
        (await server.get("/v1/jobs")).expect(200)
        with pytest.raises(Unavailable):
            await asking


async def test_looking_across_takes_a_key_that_can_be_put_on_record(server: Server) -> None:
    """An issuer's auditor may not look into all organizations: there is no stream to note it in."""
    auditor = token(server, claims={"realm": {"roles": ["jobs-auditor"]}})
    path = "/v2/jobs?featuresOn=IGNORE_ORGANIZATION_RESTRICTIONS"
    failed("cdq", await ask(server, auditor, path), 403)
    (await server.get(path)).expect(200)


def test_settings_of_issuers_are_checked() -> None:
    """An open wire, nowhere to act, no mapping and a misspelt field stop the start, by name."""
    good: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwks_url": f"{ISSUER}/keys",
        "roles": {"a": "viewer"},
        "in_organizations": ["default"],
    }
    assert from_environment({"JOBLEDGER_ISSUERS": json.dumps([good])}).issuers[0].issuer == ISSUER
    for change, word in (
        ({"jwks_url": "http://login.example/keys"}, "https"),
        ({"jwks_url": "file:///etc/passwd"}, "https"),
        ({"jwks_url": "https:///keys"}, "https"),
        ({"in_organizations": []}, "in_organizations"),
        ({"organizations_claim": "tenants"}, "in_organizations"),
        ({"roles": {}}, "roles"),
        ({"roles": {"a": "boss"}}, "roles"),
        ({"audience": ""}, "audience"),
        ({"jwksUrl": "x"}, "jwksUrl"),
    ):
        with pytest.raises(ValueError, match=word):
            from_environment({"JOBLEDGER_ISSUERS": json.dumps([{**good, **change}])})
    with pytest.raises(ValueError, match="not JSON"):
        from_environment({"JOBLEDGER_ISSUERS": "["})
