"""Who may do what: keys, roles, and organizations that do not exist for each other."""

import asyncio
from base64 import b64encode
from pathlib import Path
from typing import get_args

import pytest
import structlog

from api.auth.credentials import ensure_credentials, read_credentials
from ledger.events.keys import Role
from ledger.store.port import Context
from tests.api.serving import Caller, Server
from tests.waiting import eventually


async def test_an_organization_is_its_own(server: Server) -> None:
    """Only a key's own organizations can be named; names are free in each; see tests/security."""
    await server.define("Secret", description="PRIVATE", tags=["PRIVATE"])
    stranger = await server.caller(*get_args(Role), organizations=["other"])
    for header, status in (("default", 403), ("other", 200), ("a/b", 400), ("*", 400)):
        answer = await stranger.call("GET", "/v1/jobs", headers={"Ledger-Organization": header})
        assert answer.status == status, header
    (await stranger.get("/v1/events", organization="default")).problem(403)
    more = {"name": "k", "roles": ["viewer"]}
    for reach in (["default"], ["*"], ["other", "default"]):
        (await stranger.post("/v1/keys", more | {"organizations": reach})).problem(
            403, "organization-forbidden", "$.organizations"
        )
    # The same names are free there.
    assert (await stranger.define("Secret"))["organization"] == "other"
    ours = (await server.call("GET", "/v1/jobs/Secret")).json
    assert ours["definition"]["description"] == "PRIVATE"
    both = await server.get("/v1/jobs")
    assert [job["organization"] for job in both.json["jobs"]] == ["default", "other"]


async def test_naming_an_organization_narrows_a_key(server: Server) -> None:
    """Ledger-Organization says where a call acts, and hides the key's other organizations."""
    await server.define("Here")
    there = {"Ledger-Organization": "there"}
    (await server.put("/v1/jobs/There", {}, headers=there)).expect(201)
    run = await server.run("Here")
    assert [
        job["job_id"] for job in (await server.call("GET", "/v1/jobs", headers=there)).json["jobs"]
    ] == ["There"]
    for path in (f"/v1/executions/{run['uuid']}", f"/v1/executions/{run['number']}"):
        (await server.call("GET", path, headers=there)).problem(404)
        (await server.post(f"{path}/cancel", headers=there)).problem(404)
        (await server.patch(path, {"name": "x"}, headers=there)).problem(404)
    both = await server.caller("operator", organizations=["default", "there"])
    assert len((await both.get("/v1/jobs")).json["jobs"]) == 2
    (await both.get("/v1/jobs/There")).problem(404)
    (await both.call("GET", "/v1/jobs/There", headers=there)).expect(200)


async def test_a_revoked_key_opens_nothing_on_any_node(server: Server, other_node: Server) -> None:
    """Revoking is felt at once where it was asked for, and soon on every other node."""
    made = (await server.post("/v1/keys", {"name": "k", "roles": ["viewer"]})).expect(201).json
    here, there = server.under(made["secret"]), other_node.under(made["secret"])
    (await here.get("/v1/jobs")).expect(200)

    async def opens(caller: Caller) -> bool:
        return (await caller.get("/v1/jobs")).status == 200

    assert await eventually(lambda: opens(there))
    (await server.delete(f"/v1/keys/{made['key']['uuid']}")).expect(204)
    (await here.get("/v1/jobs")).problem(401)

    async def is_shut() -> bool:
        return not await opens(there)

    assert await eventually(is_shut)
    (await server.delete(f"/v1/keys/{made['key']['uuid']}")).expect(204)
    listed = (await server.get("/v1/keys")).json["keys"]
    assert next(k for k in listed if k["name"] == "k")["revoked_at"]


async def test_a_new_key_opens_at_once_what_it_was_refused(
    server: Server, other_node: Server
) -> None:
    """A secret that was tried in vain before it was made works on every node once it is."""
    for caller in (server, other_node):
        (await caller.under("jl_soon").get("/v1/jobs")).problem(401)
    await server.node.keys.create(
        Context(organization="default", actor="test"),
        name="soon",
        roles=("viewer",),
        organizations=("default",),
        secret="jl_soon",
    )
    for caller in (server, other_node):

        async def opens(caller: Caller = caller) -> bool:
            return (await caller.under("jl_soon").get("/v1/jobs")).status == 200

        assert await eventually(opens)


async def test_every_scheme_takes_the_first_identity(server: Server) -> None:
    """Bearer, X-Api-Key and Basic open the door; Basic only with the key's own user name."""
    made = server.credentials

    def basic(user: str, password: str) -> dict[str, str]:
        return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}

    for headers, status in (
        ({"Authorization": f"Bearer {made.admin_key}"}, 200),
        ({"authorization": f"bearer {made.api_key}"}, 200),
        ({"X-Api-Key": made.admin_key}, 200),
        ({"X-Api-Key": made.api_key}, 200),
        (basic(made.user, made.password), 200),
        (basic(made.client_id, made.client_secret), 200),
        (basic("someone", made.password), 401),
        (basic("", made.admin_key), 401),
        (basic(made.user, made.password + "x"), 401),
        ({"Authorization": "Basic !!!"}, 401),
        ({"Authorization": "Basic " + b64encode(b"\xff\xfe").decode()}, 401),
        ({"Authorization": f"Digest {made.admin_key}"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Bearer"}, 401),
    ):
        answer = await server.under("").call("GET", "/v1/keys", headers=headers)
        assert answer.status == status, headers


async def test_secrets_and_payloads_are_told_to_nobody(server: Server) -> None:
    """Events hold digests of secrets only; log lines hold neither secrets nor what was sent."""
    with structlog.testing.capture_logs() as lines:
        await server.define(description="PAYLOAD")
        made = (await server.post("/v1/keys", {"name": "k", "roles": ["viewer"]})).json
        await server.run(input={"password": "PAYLOAD"})
        (await server.under(made["secret"]).post("/v1/jobs", {"PAYLOAD": 1})).problem(403)
        (await server.under("jl_PAYLOAD").get("/v1/jobs", tag="PAYLOAD")).problem(401)
        (await server.post("/v1/jobs", b'{"PAYLOAD')).problem(400)
        (await server.get("/v1/jobs/PAYLOAD")).problem(404)
    text = repr(lines)
    assert "/v1/jobs/{job_id}" in text
    credentials = server.credentials
    log = (await server.get("/v1/events", limit=1000)).raw.decode()
    for secret in (
        made["secret"],
        credentials.admin_key,
        credentials.client_secret,
        credentials.api_key,
        credentials.password,
        server.key,
    ):
        assert secret not in text
        assert secret not in log
    assert "PAYLOAD" not in text


async def test_the_first_credentials_are_the_owners_alone(server: Server, tmp_path: Path) -> None:
    """The file is closed to others, made once by however many servers, and survives restarts."""
    home = tmp_path / "home"
    home.mkdir()
    urls = [f"http://127.0.0.1:{port}" for port in range(1, 9)]
    made = await asyncio.gather(*(ensure_credentials(home, url, server.node.keys) for url in urls))
    assert len({known.admin_key for known in made}) == 1
    file = home / "credentials.json"
    assert [entry.name for entry in home.iterdir()] == [file.name]
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    head = await server.head()
    again = await ensure_credentials(home, urls[-1], server.node.keys)
    assert again == read_credentials(home)
    assert (again.url, again.admin_key) == (urls[-1], made[0].admin_key)
    assert file.stat().st_mode & 0o777 == 0o600
    assert await server.head() == head
    file.write_text("{}")
    with pytest.raises(ValueError, match="restore it, or remove it"):
        await ensure_credentials(home, urls[0], server.node.keys)


async def test_a_revoked_first_key_stays_revoked(server: Server, tmp_path: Path) -> None:
    """A restart does not give back what was taken from a key of the credentials file."""
    minimum = {"Ledger-Min-Position": str(await server.head())}
    keys = (await server.call("GET", "/v1/keys", headers=minimum)).json["keys"]
    uuid = next(key["uuid"] for key in keys if key["public_id"] == "api-key")
    (await server.delete(f"/v1/keys/{uuid}")).expect(204)
    head = await server.head()
    with structlog.testing.capture_logs() as lines:
        await ensure_credentials(tmp_path, server.url, server.node.keys)
    assert [line["key"] for line in lines] == ["api-key"]
    assert await server.head() == head
    (await server.under(server.credentials.api_key).get("/v1/jobs")).problem(401)
