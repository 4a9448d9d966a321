"""Webhooks against a real receiver: form, order, failures, restarts, and where nothing is sent."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.api.receiver import Received, Receiver, receiving
from tests.api.serving import Caller, Server, serving
from tests.waiting import eventually

HOOKS = "/v1/webhooks"
HERE = f"{HOOKS}/here"
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Give a receiver that takes everything until it is told otherwise."""
    async with receiving() as opened:
        yield opened


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    """Give a server that may send to this machine."""
    async with serving(database_url, tmp_path, webhook_private_targets=True) as here:
        yield here


async def make(server: Caller, receiver: Receiver, **more: Any) -> str:
    """Make a webhook of a job's events, and give its secret."""
    post = {"name": "here", "url": receiver.url, "job_id": "Job", **more}
    made = (await server.post(HOOKS, post)).expect(201).json
    secret: str = made["secret"]
    return secret


async def ended(server: Server, count: int = 1) -> list[str]:
    """Run executions to their end."""
    for _ in range(count):
        await server.run()
    leases = await server.claim(limit=count)
    for lease in leases:
        await server.finish(lease)
    return [lease["execution"]["uuid"] for lease in leases]


async def show(server: Caller) -> Any:
    """Show the webhook."""
    return (await server.get(HERE)).expect(200).json


async def caught_up(server: Server) -> bool:
    """Tell whether all there is was brought."""
    view = await show(server)
    return bool(view["lag"] == 0 and view["retrying"] == 0)


async def log_of(server: Server, uuid: str) -> list[int]:
    """Give the versions of an execution's events."""
    return [event["version"] for event in await server.events(uuid)]


async def test_events_are_brought_signed_and_in_order(server: Server, receiver: Receiver) -> None:
    """Each event once, as its line stands in the log, under a signature that a receiver checks."""
    await server.define()
    secret = await make(server, receiver)
    uuids = await ended(server, 3)
    await eventually(lambda: caught_up(server))
    for uuid in uuids:
        assert receiver.versions(uuid) == await log_of(server, uuid)
    page = await server.get("/v1/events", job_id="Job", types="execution.created", limit=10)
    for received in receiver.taken:
        assert received.is_signed_with(secret)
        assert not received.is_signed_with("whsec_" + "A" * 32)
        event = received.event
        assert received.headers["Content-Type"] == "application/json"
        assert received.headers["webhook-id"] == event["event_id"]
        body = received.json
        assert (body["type"], body["timestamp"]) == (event["type"], event["recorded_at"])
    created = [r.raw for r in receiver.taken if r.json["type"] == "execution.created"]
    assert len(created) == 3
    for raw in created:
        line = raw[raw.index(b'"data":') + len(b'"data":') : -1]
        assert line in page.raw
    log = (await server.get(f"{HERE}/deliveries")).expect(200).json["deliveries"]
    assert sorted(d["position"] for d in log) == sorted(receiver.positions)
    assert {(d["outcome"], d["status"], d["attempt"]) for d in log} == {("delivered", 204, 1)}


async def test_a_secret_is_rotated_without_a_gap(server: Server, receiver: Receiver) -> None:
    """For a while both secrets sign; after that only the new one does. None is shown again."""
    await server.define()
    old = await make(server, receiver)
    assert old.startswith("whsec_")
    new = (await server.post(f"{HERE}/secrets")).expect(201).json["secret"]
    await ended(server)
    await eventually(lambda: caught_up(server))
    assert all(r.is_signed_with(old) and r.is_signed_with(new) for r in receiver.taken)
    view = await show(server)
    assert ["expires_at" in each for each in view["secrets"]] == [False, True]
    chosen = "whsec_" + "c2VjcmV0" * 6
    post = {"secret": chosen, "expire_others_after_s": 0}
    (await server.post(f"{HERE}/secrets", post)).expect(201)
    receiver.taken.clear()
    (await server.post(f"{HERE}/test")).expect(200)
    [received] = receiver.taken
    assert received.is_signed_with(chosen)
    assert not any(received.is_signed_with(secret) for secret in (old, new))
    for secret in ("secret", "whsec_!", "whsec_c2hvcnQ="):
        answer = await server.post(f"{HERE}/secrets", {"secret": secret})
        answer.problem(400, "malformed-request", "$.secret")


async def test_a_failure_is_retried_in_order_and_keeps_nobody_waiting(
    server: Server, receiver: Receiver
) -> None:
    """A failed event of one execution is brought before its later ones; the others go on."""
    await server.define()
    failing: dict[str, int] = {}

    def answer(received: Received) -> int:
        """Refuse every execution's second event twice."""
        event = received.event
        if event["version"] != 2:
            return 200
        failing[event["event_id"]] = failing.get(event["event_id"], 0) + 1
        return 500 if failing[event["event_id"]] <= 2 else 200

    receiver.answer = answer
    await make(server, receiver, retry_delays_s=[0, 0, 0, 0])
    uuids = await ended(server, 3)
    await eventually(lambda: _unpause_until_caught_up(server), deadline_s=40)
    for uuid in uuids:
        assert receiver.versions(uuid) == await log_of(server, uuid)
    assert set(failing.values()) == {3}
    log = (await server.get(f"{HERE}/deliveries", outcome="retrying")).json["deliveries"]
    assert {d["attempt"] for d in log} == {1, 2}
    assert {(d["status"], d["error"]) for d in log} == {(500, "status")}


async def _unpause_until_caught_up(server: Server) -> bool:
    """Let pauses pass."""
    await server.node.store.pool.execute("update webhooks.hook set paused_until = now()")
    return await caught_up(server)


async def test_what_fails_to_the_end_is_parked_and_can_be_replayed(
    server: Server, receiver: Receiver
) -> None:
    """After the last attempt the execution waits for somebody; nothing of it is dropped."""
    await server.define()
    bad: set[str] = set()
    receiver.answer = lambda r: 422 if r.event["stream"] in bad and r.event["version"] == 2 else 200
    await make(server, receiver, retry_delays_s=[0])
    [uuid, other] = [(await server.run())["uuid"] for _ in range(2)]
    bad.add(f"execution/{uuid}")
    for lease in await server.claim(limit=2):
        await server.finish(lease)

    async def is_parked() -> bool:
        view = await show(server)
        return bool(view["parked"] == 1 and view["lag"] == 0)

    await eventually(is_parked)
    assert receiver.versions(other) == await log_of(server, other)
    [aside] = (await server.get(f"{HERE}/parked")).json["streams"]
    assert (aside["stream"], aside["attempts"]) == (f"execution/{uuid}", 2)
    assert aside["reason"] == "status 422"
    bad.clear()
    (await server.post(f"{HERE}/parked/replay")).expect(200)
    log = await log_of(server, uuid)

    async def is_whole() -> bool:
        return receiver.versions(uuid) == log

    await eventually(is_whole)


async def test_gone_disables_and_enabling_goes_on(server: Server, receiver: Receiver) -> None:
    """410 ends sending at once; enabled again, the webhook goes on with the very same event."""
    await server.define()
    receiver.answer = lambda _received: 410
    await make(server, receiver)
    [uuid] = await ended(server)

    async def is_disabled() -> bool:
        return bool((await show(server))["state"] == "disabled")

    await eventually(is_disabled)
    assert (await show(server))["reason"] == "gone"
    came = len(receiver.came)
    receiver.answer = lambda _received: 200
    (await server.post(f"{HERE}/enable")).expect(200)
    await eventually(lambda: caught_up(server))
    assert came == 1
    assert receiver.versions(uuid) == await log_of(server, uuid)
    answer = await server.post(f"{HERE}/disable", {"reason": "not now"})
    assert answer.expect(200).json["reason"] == "not now"


async def test_an_address_that_fails_is_left_alone_then_probed(
    server: Server, receiver: Receiver
) -> None:
    """After failures in a row nothing is sent for a while; when it answers all is tried at once."""
    await server.define()
    receiver.answer = lambda _received: 503
    # Retries of single events would come in an hour only.
    await make(server, receiver, retry_delays_s=[3600] * 3)
    uuids = await ended(server, 6)

    async def is_paused() -> bool:
        return bool((await show(server)).get("paused_s", 0) > 0)

    await eventually(is_paused)
    view = await show(server)
    assert view["failures"] >= 3
    assert view["last_error"] == "status"
    receiver.answer = lambda _received: 200
    # One event that is not waiting for its retry shows that the address answers again.
    uuids += await ended(server)
    await eventually(lambda: _unpause_until_caught_up(server), deadline_s=30)
    for uuid in uuids:
        assert receiver.versions(uuid) == await log_of(server, uuid)
    assert "failures" not in await show(server)


async def test_retry_after_is_kept_to(server: Server, receiver: Receiver) -> None:
    """A receiver that asks to be left alone is, for as long as it asks."""
    await server.define()
    receiver.answer = lambda _received: 429
    receiver.headers = {"Retry-After": "1800"}
    await make(server, receiver, retry_delays_s=[0])
    await ended(server)

    async def pause_s() -> float:
        return float((await show(server)).get("paused_s", 0))

    assert 1700 < await eventually(pause_s) <= 1800


async def test_slow_and_redirecting_receivers_have_failed(
    server: Server, receiver: Receiver
) -> None:
    """A time limit ends a request; a redirect is never followed, wherever it leads."""
    await server.define()
    await make(server, receiver, timeout_s=1)
    receiver.headers = {"Location": receiver.url + "/elsewhere"}
    receiver.answer = lambda _received: 307
    told = (await server.post(f"{HERE}/test")).expect(200).json
    assert (told["outcome"], told["error"], told["status"]) == ("failed", "redirect-refused", 307)
    assert [r.path for r in receiver.came] == ["/hook"]
    receiver.hang = asyncio.Event()
    told = (await server.post(f"{HERE}/test")).expect(200).json
    assert (told["outcome"], told["error"]) == ("failed", "timeout")
    assert "status" not in told
    receiver.hang.set()
    (await server.patch(HERE, {"url": "http://127.0.0.1:9/"})).expect(200)
    told = (await server.post(f"{HERE}/test")).expect(200).json
    assert told["error"] == "connect"
    (await server.patch(HERE, {"url": "http://nowhere.invalid/"})).expect(200)
    told = (await server.post(f"{HERE}/test")).expect(200).json
    assert told["error"] == "name-unknown"


async def test_nothing_is_sent_into_the_servers_own_network(
    database_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    """Refused when it is set, by address or by what a name stands for, and again when it is sent."""
    async with serving(database_url, tmp_path, webhook_private_targets=True) as lax:
        await lax.define()
        await make(lax, receiver)
        port = receiver.url.split(":")[2]
        answer = await lax.post(
            HOOKS, {"name": "named", "job_id": "Job", "url": f"http://localhost:{port}"}
        )
        answer.expect(201)
        (await lax.post(f"{HERE}/disable")).expect(200)
        (await lax.post(f"{HOOKS}/named/disable")).expect(200)
    async with serving(database_url, tmp_path) as strict:
        for url in (
            receiver.url,
            f"http://localhost:{port}/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://10.0.0.1/",
            "http://0.0.0.0/",
            "http://127.1/",
            "http://2130706433/",
            "ftp://example.com/",
            "http://user:password@example.com/",
            "http:///path",
            "no address",
        ):
            answer = await strict.post(HOOKS, {"name": "inner", "url": url})
            answer.problem(422, "target-refused", "$.url")
            (await strict.patch(HERE, {"url": url})).problem(422, "target-refused", "$.url")
        for name in ("here", "named"):
            told = (await strict.post(f"{HOOKS}/{name}/test")).expect(200).json
            assert told["error"] == "target-refused"
        (await strict.get(f"{HOOKS}/inner")).problem(404)
    assert receiver.came == []


async def test_a_restart_loses_nothing(
    database_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    """What was under way when the server stopped is brought by the next one, in order."""
    receiver.hang = asyncio.Event()
    async with serving(
        database_url, tmp_path, webhook_private_targets=True, shutdown_grace_s=0.2
    ) as first:
        await first.define()
        secret = await make(first, receiver)
        uuids = await ended(first, 4)
        await eventually(lambda: receiver.came)
    assert receiver.taken == []
    receiver.hang = None
    async with serving(database_url, tmp_path, webhook_private_targets=True) as second:
        await eventually(lambda: caught_up(second), deadline_s=30)
        for uuid in uuids:
            assert receiver.versions(uuid) == await log_of(second, uuid)
        assert all(r.is_signed_with(secret) for r in receiver.taken)


async def test_two_processes_share_a_webhook(
    server: Server, database_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    """Both send, no event is brought twice, and each execution stays in order."""
    async with serving(database_url, tmp_path, webhook_private_targets=True) as other:
        await server.define()
        await make(server, receiver)

        async def both_serve() -> bool:
            rows = await server.node.store.pool.fetch(
                "select m.id from consumers.shard s join consumers.member m on m.id = s.member"
                " group by m.id having count(*) = 32"
            )
            return len(rows) == 2

        await eventually(both_serve, deadline_s=30)
        uuids = await ended(other, 12)
        await eventually(lambda: caught_up(server))
        for uuid in uuids:
            assert receiver.versions(uuid) == await log_of(server, uuid)
        assert len(receiver.positions) == len(set(receiver.positions))


async def test_a_large_event_is_sent_without_its_data(server: Server, receiver: Receiver) -> None:
    """A body stays under 20 kB: then it holds the entry alone and says where the event is."""
    await server.define()
    await make(server, receiver, types=["execution.created"])
    await server.run(input={"text": "x" * 30_000})
    await eventually(lambda: caught_up(server))
    [received] = receiver.taken
    assert len(received.raw) < 20_000
    body = received.json
    assert body["omitted"] is True
    assert "data" not in body["data"]
    [event] = (await server.get(body["href"])).expect(200).json["events"]
    assert event["event_id"] == body["data"]["event_id"] == received.headers["webhook-id"]
    assert event["data_digest"] == body["data"]["data_digest"]


async def test_events_can_be_brought_again(server: Server, receiver: Receiver) -> None:
    """Replay from a position repeats what is behind it, under the same ids."""
    await server.define()
    await make(server, receiver)
    [uuid] = await ended(server)
    await eventually(lambda: caught_up(server))
    ids = [r.headers["webhook-id"] for r in receiver.taken]
    receiver.taken.clear()
    start = receiver.came[0].event["position"] - 1
    (await server.post(f"{HERE}/replay", {"position": start})).expect(200)

    async def again() -> bool:
        return [r.headers["webhook-id"] for r in receiver.taken] == ids

    await eventually(again)
    assert receiver.versions(uuid) == await log_of(server, uuid)


async def test_secrets_are_sealed_and_told_to_nobody(
    server: Server, database_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    """Neither the database, nor views, nor logs hold them; another key opens nothing."""
    await server.define()
    with structlog.testing.capture_logs() as lines:
        secret = await make(server, receiver)
        receiver.answer = lambda _received: 500
        (await server.post(f"{HERE}/test")).expect(200)
        views = [
            (await server.get(path)).raw.decode()
            for path in (HOOKS, HERE, f"{HERE}/deliveries", "/v1/events?limit=1000")
        ]
    rows = await server.node.store.pool.fetch("select * from webhooks.secret")
    assert len(rows) == 1
    bare = secret.removeprefix("whsec_")
    for text in (repr(lines), repr(rows), *views):
        assert bare not in text
    file = tmp_path / "webhook-key"
    assert file.stat().st_mode & 0o777 == 0o600
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with serving(database_url, elsewhere, webhook_private_targets=True) as stranger:
        (await stranger.post(f"{HERE}/test")).problem(409, "secret-sealed")


async def test_operators_steer_and_administrators_set(server: Server, receiver: Receiver) -> None:
    """An operator cannot point a webhook elsewhere; another organization knows of none."""
    admin = await server.caller("admin", organizations=["default"])
    operator = await server.caller("operator", organizations=["default"])
    stranger = await server.caller("admin", organizations=["other"])
    await server.define()
    await make(admin, receiver, description="PRIVATE")
    answer = await admin.post(HOOKS, {"name": "here", "url": receiver.url})
    answer.problem(409, "webhook-exists")
    (await operator.patch(HERE, {"url": receiver.url})).problem(403, "forbidden")
    (await operator.post(f"{HERE}/secrets")).problem(403, "forbidden")
    (await operator.post(f"{HERE}/disable")).expect(200)
    (await operator.post(f"{HERE}/enable")).expect(200)
    assert (await operator.get(HERE)).expect(200).json["organization"] == "default"
    assert (await stranger.get(HOOKS)).json["webhooks"] == []
    for method, path in (("GET", HERE), ("DELETE", HERE), ("POST", f"{HERE}/test")):
        (await stranger.call(method, path)).problem(404, "not-found")
    (await stranger.get("/v1/consumers/here")).problem(404, "not-found")
    (await admin.get("/v1/consumers/here")).problem(404, "not-found")
    (await admin.delete(HERE)).expect(204)
    (await admin.get(HERE)).problem(404, "not-found")
