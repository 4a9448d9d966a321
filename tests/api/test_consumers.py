"""Durable consumers over HTTP: positions, leases, failures, and who may know of them."""

import asyncio
from typing import Any

from tests.api.consuming import Reading, each_of, events_of
from tests.api.serving import Server
from tests.waiting import eventually


async def finished(server: Server, count: int = 1, job_id: str = "Job") -> list[str]:
    """Run executions to their end, and give their uuids."""
    await server.define(job_id)
    uuids = []
    for _ in range(count):
        await server.run(job_id)
        for lease in await server.claim():
            await server.finish(lease)
            uuids.append(lease["execution"]["uuid"])
    return uuids


async def test_a_consumer_goes_on_where_it_was(server: Server) -> None:
    """Every event is handed out once, in position order, in the very form of the log."""
    await finished(server, 3)
    reading = Reading(server)
    made = await reading.make(start="beginning")
    assert made["position"] == 0
    assert made["lag"] == made["head"]
    found = await reading.drain(limit=5)
    log = (await server.get("/v1/events", limit=1000)).json["events"]
    assert sorted(e["position"] for e in found) == [
        e["position"] for e in log if not e["type"].startswith("key.")
    ]
    assert [e for e in log if not e["type"].startswith("key.")] == sorted(
        found, key=lambda e: e["position"]
    )
    shown = await reading.show()
    assert shown["lag"] == 0
    assert shown["members"] == [
        {"name": "a", "shards": 64, "left_s": shown["members"][0]["left_s"]}
    ]
    await finished(server, 1)
    more = await reading.drain()
    assert min(e["position"] for e in more) > max(e["position"] for e in found)


async def test_a_poll_waits_for_the_next_event(server: Server) -> None:
    """A long-poll is answered when something happens, and with nothing when its time is up."""
    await server.define()
    reading = Reading(server)
    await reading.make(start="end", types=["execution.created"])
    assert (await reading.poll(wait_s=0.05))["deliveries"] == []
    waiting = asyncio.create_task(reading.poll(wait_s=30))
    await eventually(lambda: _is_member(reading))
    made = await server.run()
    [event] = events_of(await waiting)
    assert event["stream"] == f"execution/{made['uuid']}"


async def _is_member(reading: Reading) -> bool:
    return bool((await reading.show())["member_count"])


async def test_filters_choose_and_do_not_hold_back(server: Server) -> None:
    """Only what matches is handed out; the position moves on behind what does not."""
    await finished(server, 2)
    await finished(server, 2, "Other")
    reading = Reading(server)
    await reading.make(types=["execution.finished", "execution.created"], job_id="Other")
    found = await reading.drain()
    assert [e["type"] for e in found if "/" in e["stream"]].count("execution.finished") == 2
    assert {e["type"] for e in found} == {"execution.finished", "execution.created"}
    assert len(found) == 4
    shown = await reading.show()
    assert (shown["position"], shown["lag"]) == (shown["head"], 0)


async def test_making_one_again_keeps_its_position(server: Server) -> None:
    """PUT may be repeated at every start; another filter is refused, other terms are taken."""
    await finished(server)
    reading = Reading(server)
    await reading.make(start="beginning")
    await reading.drain()
    again = await reading.make(start="beginning", lease_s=5)
    assert (again["lag"], again["lease_s"]) == (0, 5)
    answer = await server.put(reading.path, {"types": ["job.defined"]})
    answer.problem(409, "consumer-differs")
    answer = await server.put(reading.path, {}, headers={"If-None-Match": "*"})
    answer.problem(412, "stale-version")
    patched = (await server.patch(reading.path, {"max_attempts": 9})).expect(200).json
    assert (patched["max_attempts"], patched["lease_s"]) == (9, 5)
    [listed] = (await server.get("/v1/consumers")).expect(200).json["consumers"]
    assert listed["name"] == "billing"
    (await server.delete(reading.path)).expect(204)
    (await server.get(reading.path)).problem(404, "not-found")


async def test_members_share_and_keep_executions_together(server: Server) -> None:
    """Two members get about half each, no execution is read by both, and who leaves hands over."""
    reading = Reading(server)
    await reading.make(types=["execution.created"])
    await server.define()
    assert (await reading.poll("a"))["shards"] == 64
    assert (await reading.poll("b"))["shards"] == 0  # until the other one gives back
    assert (await reading.poll("a"))["shards"] == 32
    assert (await reading.poll("b"))["shards"] == 32
    for _ in range(12):
        await server.run()
    one, other = await reading.poll("a"), await reading.poll("b")
    streams = [{e["stream"] for e in events_of(batch)} for batch in (one, other)]
    assert len(streams[0] | streams[1]) == 12
    assert not streams[0] & streams[1]
    (await reading.ack(one)).expect(200)
    # What the other one has out is not failed by its leaving.
    left = await server.post(f"{reading.path}/release", {"member": "b"})
    assert left.expect(200).json == {"released": True}
    (await reading.ack(other)).problem(409, "lease-lost")
    again = await reading.poll("a")
    assert {e["stream"] for e in events_of(again)} == streams[1]
    assert {d["attempt"] for d in again["deliveries"]} == {1}
    assert again["shards"] == 64


async def test_a_lost_lease_is_handed_out_again_and_its_ack_is_refused(server: Server) -> None:
    """Once its time has passed somebody else is handed it; the late answer changes nothing."""
    reading = Reading(server)
    await reading.make(types=["execution.created"], start="end")
    await server.define()
    made = await server.run()
    first = await reading.poll("a")
    await pass_time(server)
    second = await reading.poll("b")
    assert [e["stream"] for e in events_of(second)] == [f"execution/{made['uuid']}"]
    assert second["deliveries"][0]["attempt"] == 2
    problem = (await reading.ack(first)).problem(409, "lease-lost")
    assert problem["current"] == {"acked": [], "lost": [first["deliveries"][0]["lease"]]}
    beat = await server.post(f"{reading.path}/heartbeat", {"member": "a"})
    beat.problem(409, "lease-lost")
    beat = await server.post(f"{reading.path}/heartbeat", {"member": "b"})
    assert beat.expect(200).json["leases"] == [second["deliveries"][0]["lease"]]
    (await reading.ack(second)).expect(200)
    (await reading.ack(second)).expect(200)  # said again after a lost answer
    assert (await reading.show())["lag"] == 0


async def pass_time(server: Server) -> None:
    """Let every lease and stay run out."""
    for table, column in (
        ("shard", "lease_until"),
        ("held", "lease_until"),
        ("member", "expires_at"),
    ):
        await server.node.store.pool.execute(
            f"update consumers.{table} set {column} = now() - interval '1 s'"
        )


async def test_part_of_a_delivery_can_be_acknowledged(server: Server) -> None:
    """What is done stays done when the rest is lost."""
    [uuid] = await finished(server)
    reading = Reading(server)
    await reading.make(job_id="Job")
    batch = await reading.poll("a")
    [delivery] = [d for d in batch["deliveries"] if d["events"][0]["stream"].endswith(uuid)]
    first, *others = delivery["events"]
    assert others
    body = {"leases": [{"lease": delivery["lease"], "position": first["position"]}]}
    answer = (await server.post(f"{reading.path}/ack", body)).expect(200).json
    assert answer["open"] == [delivery["lease"]]
    await pass_time(server)
    again = await reading.drain("b")
    assert [e for e in again if e["stream"].endswith(uuid)] == others


async def test_a_failing_execution_is_parked_and_keeps_nobody_waiting(server: Server) -> None:
    """After its attempts its stream waits in order, the others go on; replay brings it back."""
    uuids = await finished(server, 4)
    bad = f"execution/{uuids[1]}"
    reading = Reading(server)
    await reading.make(job_id="Job", max_attempts=3, backoff_s=0, backoff_max_s=0)
    good: list[Any] = []
    attempts: list[int] = []
    while (batch := await reading.poll())["deliveries"]:
        failed = set()
        for delivery, event in each_of(batch):
            if event["stream"] != bad:
                good.append(event)
            elif bad not in failed:
                failed.add(bad)
                told = (await reading.nack(delivery, event, reason="no luck")).expect(200).json
                attempts.append(told["attempts"])
        still = [d for d in batch["deliveries"] if d.get("stream") != bad]
        if still:
            (await reading.ack({"deliveries": still})).expect(200)
    assert attempts == [1, 2, 3]
    assert {e["stream"] for e in good} >= {f"execution/{u}" for u in uuids if u != uuids[1]}
    [aside] = await reading.parked()
    assert aside["stream"] == bad
    assert aside["reason"] == "no luck"
    events = await server.events(uuids[1])
    assert aside["position"] == events[0]["position"]
    assert aside["waiting"] == len(events) - 1
    shown = await reading.show()
    assert (shown["parked"], shown["lag"]) == (1, 0)
    answer = await server.post(f"{reading.path}/parked/replay", {"streams": [bad]})
    assert answer.expect(200).json["streams"] == [bad]
    again = await reading.drain()
    assert [e["position"] for e in again] == [e["position"] for e in events]
    assert await reading.parked(retrying="true") == []


async def test_the_event_in_the_way_can_be_given_up(server: Server) -> None:
    """Discarding skips one event; those behind it are handed out in order."""
    [uuid] = await finished(server)
    reading = Reading(server)
    await reading.make(job_id="Job")
    batch = await reading.poll()
    delivery, event = next(p for p in each_of(batch) if p[1]["stream"].endswith(uuid))
    answer = await reading.nack(delivery, event, park=True, reason="not for us")
    assert answer.expect(200).json == {"outcome": "parked", "attempts": 1}
    (await reading.ack(batch)).expect(200)
    assert await reading.drain() == []
    answer = await server.post(f"{reading.path}/parked/discard", {"streams": [event["stream"]]})
    answer.expect(200)
    assert [e["version"] for e in await reading.drain()] == [
        e["version"] for e in await server.events(uuid) if e["version"] > event["version"]
    ]
    answer = await server.post(f"{reading.path}/parked/discard", {"streams": ["execution/none"]})
    answer.problem(404, "not-found")


async def test_a_member_that_dies_on_an_event_parks_only_that(server: Server) -> None:
    """Attempts are counted before handing out; who dies is found out event by event."""
    uuids = await finished(server, 3)
    bad = (await server.events(uuids[1]))[2]["position"]
    reading = Reading(server)
    await reading.make(job_id="Job", max_attempts=3, backoff_s=0, backoff_max_s=0)
    done: list[int] = []
    deaths = 0
    while (batch := await reading.poll())["deliveries"]:
        events = [e["position"] for e in events_of(batch)]
        if bad in events:
            deaths += 1
            await pass_time(server)
            continue
        done += events
        (await reading.ack(batch)).expect(200)
    assert deaths == 3
    [aside] = await reading.parked()
    assert (aside["stream"], aside["position"]) == (f"execution/{uuids[1]}", bad)
    expected = [e["position"] for u in uuids for e in await server.events(u)]
    behind = [e["position"] for e in await server.events(uuids[1]) if e["position"] >= bad]
    assert set(done) >= set(expected) - set(behind)
    assert len(done) == len(set(done))
    (await server.post(f"{reading.path}/parked/replay")).expect(200)
    assert [e["position"] for e in await reading.drain()] == behind


async def test_a_member_that_starts_anew_gets_its_events_at_once(server: Server) -> None:
    """With `fresh` a member under its old name need not wait for its own lease."""
    await finished(server)
    reading = Reading(server)
    await reading.make(job_id="Job")
    first = await reading.poll()
    assert (await reading.poll())["deliveries"] == []
    second = await reading.poll(fresh=True)
    assert second["deliveries"]
    (await reading.ack(first)).problem(409, "lease-lost")


async def test_a_position_can_be_set_back(server: Server) -> None:
    """Reset hands everything behind a position out again; what was out is lost."""
    await finished(server, 2)
    reading = Reading(server)
    await reading.make(job_id="Job")
    found = await reading.drain()
    at = sorted(e["position"] for e in found)[3]
    (await server.post(f"{reading.path}/reset", {"position": at})).expect(200)
    out = await reading.poll(limit=1)
    (await server.post(f"{reading.path}/reset", {"position": at})).expect(200)
    (await reading.ack(out)).problem(409, "lease-lost")
    again = await reading.drain()
    assert {e["position"] for e in again} == {e["position"] for e in found if e["position"] > at}
    head = await server.head()
    answer = await server.post(f"{reading.path}/reset", {"position": head + 1})
    answer.problem(400, "malformed-request", "$.position")


async def test_a_consumer_is_its_organizations(server: Server) -> None:
    """Neither its name nor its events exist for another organization; names do not clash."""
    await finished(server)
    here = await server.caller("consumer", organizations=["default"])
    there = await server.caller("consumer", organizations=["other"])
    ours, theirs = Reading(here), Reading(there)
    await ours.make()
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"lease_s": 9}),
        ("DELETE", "", None),
        ("POST", "/events", {}),
        ("POST", "/ack", {"leases": [{"lease": "1-1"}]}),
        ("POST", "/reset", {"position": 0}),
        ("GET", "/parked", None),
    ):
        answer = await there.call(method, ours.path + path, body)
        answer.problem(404, "not-found")
    assert (await there.get("/v1/consumers")).json["consumers"] == []
    await theirs.make()
    assert await theirs.drain() == []
    assert {e["organization"] for e in await ours.drain()} == {"default"}
    # A key of all has a scope of its own, and sees all in the list.
    (await server.get(ours.path)).problem(404, "not-found")
    answer = await server.get(ours.path)
    answer = await server.call("GET", ours.path, headers={"Ledger-Organization": "default"})
    assert answer.expect(200).json["organization"] == "default"
    listed = (await server.get("/v1/consumers")).json["consumers"]
    assert {c["organization"] for c in listed} == {"default", "other"}


async def test_events_of_keys_are_for_auditors(server: Server) -> None:
    """A consumer with them can be made and read only by who may audit."""
    plain = await server.caller("consumer", organizations=["default"])
    auditing = await server.caller("consumer", "auditor", organizations=["default"])
    answer = await plain.put("/v1/consumers/keys", {"with_keys": True})
    answer.problem(403, "forbidden", "$.with_keys")
    reading = Reading(auditing, "keys")
    await reading.make(with_keys=True, types=["key.created"])
    (await plain.post(f"{reading.path}/events", {})).problem(403, "forbidden")
    assert {e["type"] for e in await reading.drain()} == {"key.created"}


async def test_two_processes_hand_out_one_consumer(server: Server, other_node: Server) -> None:
    """Members may talk to any process: nothing is handed out twice, and shards move between them."""
    here, there = Reading(server), Reading(other_node)
    await here.make(types=["execution.created"])
    await server.define()
    await here.poll("a")
    waiting = asyncio.create_task(there.poll("b", wait_s=20))
    await eventually(lambda: _two_share(here))
    made = {(await server.run())["uuid"] for _ in range(3)}
    found: list[Any] = []

    async def all_found() -> bool:
        batch = await here.poll("a")
        found.extend(events_of(batch))
        if batch["deliveries"]:
            (await here.ack(batch)).expect(200)
        if waiting.done() and not waiting.cancelled():
            other = await there.poll("b")
            found.extend(events_of(other))
            if other["deliveries"]:
                (await there.ack(other)).expect(200)
        return len(found) + len(events_of(waiting.result()) if waiting.done() else []) >= 3

    await eventually(all_found)
    if waiting.done():
        batch = waiting.result()
        found.extend(events_of(batch))
        # An answer to the other process.
        (await here.ack(batch)).expect(200)
    else:
        waiting.cancel()
    streams = [e["stream"] for e in found]
    assert sorted(streams) == sorted(f"execution/{uuid}" for uuid in made)


async def _two_share(reading: Reading) -> bool:
    await reading.poll("a")
    return sorted(m["shards"] for m in (await reading.show())["members"]) == [32, 32]


async def test_bad_requests_say_what_is_wrong(server: Server) -> None:
    """Names, filters, positions and leases are checked, and nothing is changed."""
    reading = Reading(server)
    head = await server.head()
    bad: list[tuple[str, str, Any, int, str | None]] = [
        ("PUT", "/v1/consumers/bad%20name", {}, 400, "{consumer}"),
        ("PUT", reading.path, {"types": ["no.such"]}, 400, "$.types[0]"),
        ("PUT", reading.path, {"start": head + 1000}, 400, "$.start"),
        ("PUT", reading.path, {"start": "middle"}, 400, "$.start"),
        ("PUT", reading.path, {"lease_s": 0}, 400, "$.lease_s"),
        ("PUT", reading.path, {"no": 1}, 400, "$"),
    ]
    for method, path, body, status, where in bad:
        (await server.call(method, path, body)).problem(status, "malformed-request", where)
    (await server.get(reading.path)).problem(404)
    await reading.make()
    for path, body, where in (
        ("/ack", {"leases": [{"lease": "x-1"}]}, "$.leases[0].lease"),
        ("/ack", {"leases": []}, "$.leases"),
        ("/nack", {"lease": "1-1"}, "$"),
        ("/events", {"member": ""}, "$.member"),
        ("/events", {"limit": 0}, "$.limit"),
    ):
        answer = await server.post(reading.path + path, body)
        answer.problem(400, "malformed-request", where)
    answer = await server.post(f"{reading.path}/ack", {"leases": [{"lease": "99-7"}]})
    answer.problem(409, "lease-lost")
