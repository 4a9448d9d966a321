"""Who may do what: keys, roles, and organizations that do not exist for each other."""

import asyncio
import re
from base64 import b64encode
from pathlib import Path
from typing import Any, get_args

import pytest
import structlog

from api.auth.credentials import ensure_credentials, read_credentials
from api.route import Route
from api.routes import ROUTES
from ledger.events.keys import Role
from ledger.store.port import Context
from tests.api.serving import Answer, Caller, Server
from tests.waiting import eventually

BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/jobs"): {"job_id": "Mine", "definition": {}},
    ("PUT", "/v1/jobs/{job_id}"): {},
    ("PATCH", "/v1/jobs/{job_id}"): {"description": "changed"},
    ("PUT", "/v1/jobs/{job_id}/schedule"): {"cron": "0 0 1 1 *"},
    ("PATCH", "/v1/executions/{execution}"): {"name": "changed"},
    ("POST", "/v1/work/claim"): {"worker": "w", "step_types": ["command"]},
    ("POST", "/v1/executions/{execution}/reports"): {
        "reports": [{"type": "progressed", "progress": {"percent": 1}}],
        "fence": 1,
    },
    ("PUT", "/v1/consumers/{consumer}"): {},
    ("PATCH", "/v1/consumers/{consumer}"): {"lease_s": 9},
    ("POST", "/v1/consumers/{consumer}/reset"): {"position": 0},
    ("POST", "/v1/consumers/{consumer}/ack"): {"leases": [{"lease": "1-1"}]},
    ("POST", "/v1/consumers/{consumer}/nack"): {"lease": "1-1", "position": 1},
    ("POST", "/v1/consumers/{consumer}/parked/discard"): {"streams": ["execution/1"]},
    ("POST", "/v1/webhooks"): {"name": "own", "url": "https://example.com/"},
    ("PATCH", "/v1/webhooks/{webhook}"): {"description": "changed"},
    ("POST", "/v1/webhooks/{webhook}/replay"): {"position": 0},
    ("POST", "/v1/webhooks/{webhook}/parked/discard"): {"streams": ["execution/1"]},
    ("POST", "/v1/keys"): {"name": "made", "roles": ["viewer"], "organizations": ["other"]},
}
MAKES_ITS_OWN = frozenset(
    (
        ("POST", "/v1/jobs"),
        ("PUT", "/v1/jobs/{job_id}"),
        ("POST", "/v1/keys"),
        ("PUT", "/v1/consumers/{consumer}"),
        ("POST", "/v1/webhooks"),
    )
)
"""These make something of the caller's own, whatever others have under that name."""
STATUS = {
    "/metrics": 200,
    "/v1/projections/{name}/rebuild": 403,
    "/v1/projections/{name}/verify": 403,
    "/v1/projections/{name}/replay": 403,
    "/v1/work/{lease}/heartbeat": 409,
    "/v1/tree/inclusion": 400,  # the visit does not say of what
    "/v1/tree/consistency": 400,  # the same
    "/v1/export": 403,
}
"""Of these the status says enough."""


async def visit(caller: Caller, route: Route, names: dict[str, str]) -> Any:
    """Call a route with what it takes."""
    path = re.sub(r"{(\w+)}", lambda part: names.get(part[1], "000"), route.template)
    body = BODIES.get((route.method, route.path))
    if route.path == "/v1/reports":
        body = b'{"op": "cancel", "execution": "%s"}\n' % names["execution"].encode()
    return await caller.call(route.method, path, body)


def shows_nothing(route: Route, answer: Answer) -> bool:
    """Tell whether an answer is as if nothing were there."""
    if (route.method, route.path) == ("POST", "/v1/tree/keys"):
        return answer.status == 403
    if route.path in STATUS:
        return answer.status == STATUS[route.path]
    match route.path:
        case "/v1/reports":
            return [line["status"] for line in answer.lines] == [404]
        case "/v1/jobs/{job_id}/history":
            return answer.status == 200 and answer.json["executions"] == []
        case "/v1/events":
            return {event["organization"] for event in answer.json["events"]} <= {"other"}
        case "/v1/keys":
            return all(key["organizations"] == ["other"] for key in answer.json["keys"])
        case "/v1/projections":
            return all("quarantine" not in view for view in answer.json["projections"])
        case "/v1/tree" | "/v1/tree/heads" | "/v1/tree/keys" | "/checkpoint":
            # Hashes, and how long the log is, which `/v1/events` tells as well.
            return answer.status == 200
        case path if "{" in path:
            return answer.status == 404
        case _:
            [found] = [value for value in answer.json.values() if isinstance(value, list)]
            return answer.status == 200 and found == []


async def test_what_another_organization_has_does_not_exist(server: Server) -> None:
    """Every route, called by another organization with our names, leaks and changes nothing."""
    await server.define("Secret", description="PRIVATE", tags=["PRIVATE"])
    held = await server.run("Secret", name="PRIVATE")
    [lease] = await server.claim()
    waiting = await server.run("Secret", name="PRIVATE")
    key = (await server.post("/v1/keys", {"name": "PRIVATE", "roles": ["viewer"]})).json["key"]
    for scope in ({}, {"Ledger-Organization": "default"}):
        body = {"description": "PRIVATE"}
        (await server.put("/v1/consumers/secret", body, headers=scope)).expect(201)
        hook = body | {"name": "secret", "url": "https://example.com/"}
        (await server.post("/v1/webhooks", hook, headers=scope)).expect(201)
        (await server.post("/v1/webhooks/secret/disable", headers=scope)).expect(200)
    stranger = await server.caller(*get_args(Role), organizations=["other"])
    head = await server.head()
    for execution in (held, waiting):
        for name in ("uuid", "number", "oid"):
            names = {
                "job_id": "Secret",
                "execution": str(execution[name]),
                "lease": lease["lease"],
                "key": key["uuid"],
                "consumer": "secret",
                "webhook": "secret",
                "name": "jobs",
            }
            for route in ROUTES:
                if (route.method, route.path) in MAKES_ITS_OWN:
                    continue
                answer = await visit(stranger, route, names)
                where = f"{route.method} {route.path} by {name}: {answer}"
                assert b"PRIVATE" not in answer.raw, where
                assert held["uuid"].encode() not in answer.raw or name == "uuid", where
                assert shows_nothing(route, answer), where
    assert await server.head() == head
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


async def test_only_the_declared_roles_pass(server: Server) -> None:
    """Every route answers 403 to every role but its own, 401 to nobody in particular."""
    names = {
        "job_id": "Nowhere",
        "execution": "0",
        "lease": "01980000-0000-7000-8000-000000000000",
        "key": "01980000-0000-7000-8000-000000000000",
        "consumer": "nowhere",
        "webhook": "nowhere",
        "name": "nothing",
    }
    anonymous = server.under("")
    wrong = server.under("jl_wrong")
    callers = {role: await server.caller(role, organizations=["empty"]) for role in get_args(Role)}
    head = await server.head()
    for route in ROUTES:
        for unknown in (anonymous, wrong):
            answer = await visit(unknown, route, names)
            answer.problem(401, "unauthorized")
            assert answer.headers["WWW-Authenticate"]
        for role, caller in callers.items():
            if role in route.roles and (route.method, route.path) in MAKES_ITS_OWN:
                continue
            answer = await visit(caller, route, names)
            if role in route.roles:
                forbidden = answer.status == 403 and "may not do this" in answer.json["title"]
                assert answer.status != 401, route
                assert not forbidden, (route, role)
            else:
                answer.problem(403, "forbidden")
    assert await server.head() == head


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
