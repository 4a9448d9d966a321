"""OCAPI's token endpoints: both grants, secrets in every form, and tokens that stop to work."""

from base64 import b64encode
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import jwt

from tests.api.ocapi import DATA, ask_token, basic, client, executions, fault
from tests.api.serving import Server
from tests.waiting import eventually

USER_GRANT = "urn:demandware:params:oauth:grant-type:client-id:dwsid:dwsecuretoken"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_a_client_gets_a_token(server: Server) -> None:
    """Client credentials give a JWT with what clients look at."""
    known = server.credentials
    for path in ("/dwsso/oauth2/access_token", "/dw/oauth2/access_token"):
        answer = await ask_token(server.under(""), known.client_id, known.client_secret, path=path)
        body = answer.expect(200).json
        assert list(body) == ["access_token", "expires_in", "scope", "token_type"]
        assert (body["expires_in"], body["scope"], body["token_type"]) == (1799, "mail", "Bearer")
        assert body["access_token"].count(".") == 2
        caller = server.under(body["access_token"])
        fault(await caller.get(f"{executions('None')}/1"), 404, "JobExecutionNotFoundException")


async def test_secrets_come_raw_or_percent_encoded(server: Server) -> None:
    """A percent-encoded client id and secret open what the raw ones open; wrong ones nothing."""
    made = await server.post(
        "/v1/keys", {"name": "odd", "roles": ["operator"], "public_id": "odd.client@x"}
    )
    secret = made.expect(201).json["secret"]
    caller = server.under("")
    encoded = "".join(f"%{ord(letter):02x}" for letter in secret)
    (await ask_token(caller, "odd.client@x", secret)).expect(200)
    (await ask_token(caller, quote("odd.client@x"), encoded)).expect(200)
    for user, password in (("odd.client@x", "wrong"), ("other", secret), ("", secret), ("x", "")):
        refused = await ask_token(caller, user, password)
        assert refused.expect(401).json["error"] == "invalid_client"
        assert refused.json["error_description"]


async def test_a_user_logs_in_through_a_client(server: Server) -> None:
    """The second grant takes user, password and client password, escaped or not."""
    known = server.credentials
    caller = server.under("")
    path = f"/dw/oauth2/access_token?client_id={known.client_id}"
    header = basic(known.user, f"{known.password}:{known.client_secret}")
    token, body = "", b""
    for grant in (USER_GRANT, quote(USER_GRANT, safe="")):
        body = f"grant_type={grant}".encode()
        answer = await caller.post(path, body, headers={**header, **FORM})
        token = answer.expect(200).json["access_token"]
    await server.define("Mine")
    created = (await server.under(token).post(executions("Mine"))).expect(200).json
    assert created["client_id"] == known.client_id
    native = (await server.get(f"/v1/executions/{created['id']}")).json
    assert native["user"] == "user"
    wrong = basic(known.user, f"nope:{known.client_secret}")
    refused = await caller.post(path, body, headers={**wrong, **FORM})
    assert refused.expect(401).json["error"] == "invalid_grant"
    wrong = basic(known.user, f"{known.password}:nope")
    refused = await caller.post(path, body, headers={**wrong, **FORM})
    assert refused.expect(401).json["error"] == "invalid_client"


FORMS: Final[Any] = (
    (b"", "invalid_request"),
    (b"grant_type=", "invalid_request"),
    (b"grant_type=password", "unsupported_grant_type"),
    (b"\xff\x00=&&&=", "invalid_request"),
    (b"&".join(b"a=b" for _ in range(50)), "invalid_request"),
)


async def test_other_forms_are_refused(server: Server) -> None:
    """What is no grant that is known gets the error of RFC 6749."""
    for body, error in FORMS:
        answer = await server.under("").post("/dw/oauth2/access_token", body, headers=FORM)
        assert answer.expect(400).json["error"] == error
        wrong_method = await server.under("").get("/dwsso/oauth2/access_token")
        assert wrong_method.expect(405).json["error"] == "invalid_request"


async def test_bad_credentials_get_faults(server: Server) -> None:
    """Nothing, nonsense and tokens of others do not open a resource."""
    path = f"{executions('Job')}/1"
    nobody = server.under("")
    fault(await nobody.get(path), 401, "InvalidAuthorizationHeaderException")
    for header in ("Bearer", "Nonsense x", "Basic !!"):
        answer = (
            await nobody.get(path)
            if not header
            else await nobody.call("GET", path, headers={"Authorization": header})
        )
        fault(answer, 401, "InvalidAuthorizationHeaderException")
    good = (await client(server)).key
    head, claims, signature = good.split(".")
    forged = jwt.encode({"sub": "x"}, "secret" * 10, algorithm="HS256", headers={"kid": "0" * 32})
    nothing = b64encode(b'{"alg":"none"}').decode().rstrip("=")
    for token in (
        "af7f5c90-ffc1-4ea4-9613-f5b375b7dc19",
        "a.b.c",
        f"{head}.{claims}.{signature[::-1]}",
        f"{nothing}.{claims}.",
        f"{nothing}.{claims}.x",
        forged,
    ):
        fault(await server.under(token).get(path), 401, "InvalidAccessTokenException")


async def test_rights_are_those_of_the_key(server: Server) -> None:
    """A viewer's token reads and runs nothing; a revoked key's token opens nothing."""
    made = (await server.post("/v1/keys", {"name": "v", "roles": ["viewer"]})).expect(201).json
    public_id, secret = made["key"]["public_id"], made["secret"]
    token = (await ask_token(server, public_id, secret)).expect(200).json["access_token"]
    caller = server.under(token)
    await server.define("Job")
    fault(await caller.post(executions("Job")), 403, "ClientAccessForbiddenException")
    fault(await caller.get(f"{executions('Job')}/1"), 404, "JobExecutionNotFoundException")
    (await server.delete(f"/v1/keys/{made['key']['uuid']}")).expect(204)

    async def closed() -> Any:
        return (await caller.get(f"{executions('Job')}/1")).status == 401

    await eventually(closed)
    fault(await caller.get(f"{executions('Job')}/1"), 401, "InvalidAccessTokenException")
    assert (await ask_token(server, public_id, secret)).status == 401


async def test_another_node_takes_the_token(
    server: Server, other_node: Server, tmp_path: Path
) -> None:
    """A token is good at every node; its key lies where only the owner can read it."""
    token = (await client(server)).key
    await server.define("Job")
    (await other_node.under(token).post(executions("Job", DATA))).expect(200)
    assert (tmp_path / "token-key.pem").stat().st_mode & 0o077 == 0


async def test_keys_open_resources_without_a_token(server: Server) -> None:
    """The admin key works as Bearer and as X-Api-Key."""
    await server.define("Job")
    (await server.post(executions("Job"))).expect(200)
    nobody = server.under("")
    header = {"X-Api-Key": server.credentials.admin_key}
    (await nobody.call("POST", executions("Job"), headers=header)).expect(200)
