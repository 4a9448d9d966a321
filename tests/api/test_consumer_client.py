"""Reading as a member with the client library, and what the command line shows of consumers."""

import asyncio
from contextlib import aclosing
from typing import Any

import msgspec

from api.client.session import Ledger
from api.native.consumer_wire import ConsumerPut
from tests.api.consuming import Reading
from tests.api.serving import Server
from tests.integration.test_cli_commands import cli


async def ended(server: Server, count: int) -> list[str]:
    """Run executions to their end."""
    await server.define()
    for _ in range(count):
        await server.run()
    leases = await server.claim(limit=count)
    for lease in leases:
        await server.finish(lease)
    return [lease["execution"]["uuid"] for lease in leases]


async def test_going_on_acknowledges_and_failing_sets_aside(server: Server) -> None:
    """A loop over batches is a whole consumer: in order, failures apart, and resumable."""
    uuids = await ended(server, 3)
    bad = f"execution/{uuids[0]}"
    async with Ledger(server.url, server.key) as ledger:
        await ledger.consumers.put("loop", ConsumerPut(job_id="Job", max_attempts=2, backoff_s=0))
        seen: list[int] = []
        failures = 0
        async with aclosing(ledger.consumers.read("loop", limit=4, until_empty=True)) as batches:
            async for batch in batches:
                for event in batch:
                    if event.stream == bad:
                        failures += 1
                        await batch.fail(event, "no luck")
                    else:
                        seen.append(event.position)
        assert failures == 2
        expected = [
            e["position"]
            for e in (await server.get("/v1/events", job_id="Job", limit=100)).json["events"]
            if e["stream"] != bad
        ]
        assert sorted(seen) == expected
        [aside] = (await ledger.consumers.parked("loop")).streams
        assert (aside.stream, aside.attempts, aside.reason) == (bad, 2, "no luck")
        view = await ledger.consumers.show("loop")
        assert (view.lag, view.parked, view.members) == (0, 1, ())
        assert (await ledger.consumers.replay("loop")).streams == (bad,)
        again: list[str] = []
        async with aclosing(ledger.consumers.read("loop", until_empty=True)) as batches:
            async for batch in batches:
                again += [event.stream for event in batch]
        assert set(again) == {bad}
        await ledger.consumers.delete("loop")


async def test_a_loop_that_is_left_acknowledges_nothing(server: Server) -> None:
    """An exception in the loop's body leaves the batch to the next reader, at once."""
    await ended(server, 1)
    async with Ledger(server.url, server.key) as ledger:
        await ledger.consumers.put("loop", ConsumerPut(job_id="Job"))
        found: list[tuple[int, ...]] = []
        for _ in range(2):
            async with aclosing(ledger.consumers.read("loop", member="a")) as batches:
                async for batch in batches:
                    found.append(tuple(event.position for event in batch))
                    break
        assert found[0] == found[1]


async def test_a_lease_is_kept_alive_while_a_batch_is_worked_on(server: Server) -> None:
    """Work that takes longer than the lease keeps it: heartbeats go on beside the work."""
    await ended(server, 1)
    reading = Reading(server, "slow")
    async with Ledger(server.url, server.key) as ledger:
        await ledger.consumers.put("slow", ConsumerPut(job_id="Job", lease_s=1))
        async with aclosing(ledger.consumers.read("slow", member="a")) as batches:
            batch = await anext(batches)
            lease = batch.batch.deliveries[0].lease
            loop = asyncio.get_running_loop()
            until = loop.time() + 1.5
            while loop.time() < until:  # another member looks for something to take over
                assert (await reading.poll("b", wait_s=0.3))["deliveries"] == []
            assert not batch.is_lost
            answer = await server.post(f"{reading.path}/ack", {"leases": [{"lease": lease}]})
            answer.expect(200)


async def test_the_command_line_and_the_measurements_show_consumers(server: Server) -> None:
    """Made, read, listed, measured and removed from a shell."""
    await ended(server, 2)
    env = {"JOBLEDGER_URL": server.url, "JOBLEDGER_KEY": server.key}

    async def shell(*arguments: str) -> str:
        code, out, err = await cli("consumers", *arguments, env=env)
        assert code == 0, err
        return out

    made = msgspec.json.decode(
        await shell("create", "shell", "--types", "execution.finished", "--json")
    )
    assert made["types"] == ["execution.finished"]
    text = (await server.get("/metrics")).raw.decode()
    assert f'jobledger_consumer_lag_positions{{consumer="*/pull/shell"}} {made["lag"]}.0' in text
    lines: list[Any] = [
        msgspec.json.decode(line)
        for line in (await shell("read", "shell", "--once", "--json")).splitlines()
    ]
    assert [line["type"] for line in lines] == ["execution.finished"] * 2
    assert await shell("read", "shell", "--once", "--json") == ""
    assert "shell" in await shell("list")
    assert "0 behind" in await shell("show", "shell")
    assert (await shell("parked", "shell")).strip().startswith("stream")
    await shell("reset", "shell", "beginning")
    assert len((await shell("read", "shell", "--once")).splitlines()) == 2
    await shell("delete", "shell")
    assert (await cli("consumers", "show", "shell", env=env))[0] == 5
