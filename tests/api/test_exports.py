"""Exports and dossiers: checked by the ledger's checker and by another one, bit by bit."""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from ledger.audit.check import Checker
from ledger.audit.report import Report
from ledger.merkle.note import Verifier
from tests.api.serving import Server
from tests.api.test_tree_heads import signed
from tests.unit.audit import independent


def checked(raw: bytes, *, trusted: str | None = None, kept: Sequence[str] = ()) -> Report:
    """Check an export."""
    checker = Checker(
        trusted=Verifier.parse(trusted) if trusted else None,
        kept=[note.encode() for note in kept],
    )
    for line in raw.removesuffix(b"\n").split(b"\n"):
        checker.take(line)
    return checker.report()


async def _lives(server: Server) -> list[Any]:
    """Some executions whose events lie between each other."""
    await server.define()
    runs = [await server.run(name="\u00e9\u2028") for _ in range(5)]
    for lease in await server.claim(limit=3):
        await server.report(lease, {"type": "progressed", "progress": {"percent": 1}})
        await server.finish(lease)
    return runs


async def test_a_dossier_is_complete(server: Server) -> None:
    """It has all events of its execution and of no other, proved against the ledger's key."""
    runs = await _lives(server)
    key = (await server.get("/v1/tree/keys")).json["keys"][0]["public_key"]
    for run in runs:
        answer = (await server.get(f"/v1/executions/{run['number']}/dossier")).expect(200)
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        assert f"execution-{run['uuid']}.jsonl" in answer.headers["Content-Disposition"]
        events = [event["position"] for event in await server.events(run["uuid"])]
        assert independent.verify(answer.raw, key) == events
        report = checked(answer.raw, trusted=key)
        assert (report.verdict, report.events) == ("sound", len(events))
        assert report.stream == f"execution/{run['uuid']}"
        others = {other["uuid"] for other in runs if other is not run}
        assert not any(other.encode() in answer.raw for other in others)


async def test_a_dossier_that_leaves_something_out(server: Server) -> None:
    """Without its last event, or with another's, it is not complete, whatever its tree proves."""
    runs = await _lives(server)
    raw = (await server.get(f"/v1/executions/{runs[0]['uuid']}/dossier")).expect(200).raw
    short = (await server.get("/v1/export", stream=f"execution/{runs[4]['uuid']}")).raw
    # What the other one's map says, under this one's head: both are of the same tree.
    mixed = [
        *(line for line in raw.split(b"\n") if not line.startswith(b'{"audit":"stream"')),
    ]
    (proof,) = (line for line in short.split(b"\n") if line.startswith(b'{"audit":"stream"'))
    mixed.insert(-2, proof)
    report = checked(b"\n".join(mixed))
    assert report.verdict == "damaged"
    assert "place" in report.findings[0].problem or "lead" in report.findings[0].problem


async def test_the_log_and_its_parts(server: Server) -> None:
    """All of it, a range, a stream that exists and one that does not, each proved."""
    await _lives(server)
    told = (await signed(server))["signed"]
    key = (await server.get("/v1/tree")).json["public_key"]
    size = told["size"]
    whole = (await server.get("/v1/export")).expect(200).raw
    assert independent.verify(whole, key) == list(range(1, size + 1))
    report = checked(whole, trusted=key, kept=[told["note"]])
    assert (report.verdict, report.events, report.kept_size) == ("sound", size, size)
    for after, until in ((0, 1), (0, 7), (3, 3), (3, 9), (size - 1, size), (5, size)):
        part = (await server.get("/v1/export", after=after, until=until)).expect(200).raw
        assert independent.verify(part, key) == list(range(after + 1, until + 1))
        report = checked(part, trusted=key)
        assert (report.verdict, report.after, report.until) == ("sound", after, until)
    for stream, exists in (("job/default/Job", True), ("job/default/None", False)):
        one = (await server.get("/v1/export", stream=stream)).expect(200).raw
        assert bool(independent.verify(one, key)) == exists
        report = checked(one, trusted=key)
        assert (report.verdict, report.exists, report.stream) == ("sound", exists, stream)


async def test_any_bit_that_is_flipped(server: Server) -> None:
    """Whatever bit of an export is flipped, the event or the line is named."""
    runs = await _lives(server)
    draw = random.Random(8)
    dossier = (await server.get(f"/v1/executions/{runs[0]['uuid']}/dossier")).raw
    part = (await server.get("/v1/export", after=2, until=8)).raw
    nothing = (await server.get("/v1/export", stream="job/default/None")).raw
    for raw in (dossier, part, nothing):
        assert checked(raw).verdict == "sound"
        for _ in range(700):
            place, bit = draw.randrange(len(raw)), 1 << draw.randrange(8)
            changed = bytearray(raw)
            changed[place] ^= bit
            report = checked(bytes(changed))
            where = (place, bit, raw[max(place - 20, 0) : place + 20])
            assert report.verdict == "damaged", where
            number = raw[:place].count(b"\n") + 1
            line = raw.split(b"\n")[number - 1]
            if line.startswith(b'{"position":') and raw[place : place + 1] != b"\n":
                position = int(line.partition(b":")[2].partition(b",")[0])
                assert report.first_bad_position == position, where
            else:
                assert any(found.line == number for found in report.findings), where


async def test_lines_that_are_gone_or_moved(server: Server) -> None:
    """No line can be left out, repeated or put elsewhere unseen, and no tail cut off."""
    await _lives(server)
    for raw in (
        (await server.get("/v1/export")).raw,
        (await server.get("/v1/export", after=2, until=9)).raw,
        (await server.get("/v1/export", stream="job/default/Job")).raw,
    ):
        lines = raw.removesuffix(b"\n").split(b"\n")
        for number in range(len(lines)):
            gone = [*lines[:number], *lines[number + 1 :]]
            twice = [*lines[: number + 1], *lines[number:]]
            cut = lines[:number]
            for changed in (gone, twice, cut):
                assert checked(b"\n".join(changed)).verdict == "damaged", number
            for other in range(number):
                moved = lines.copy()
                moved[number], moved[other] = lines[other], lines[number]
                assert checked(b"\n".join(moved)).verdict == "damaged", (number, other)


async def test_what_a_reader_kept(server: Server) -> None:
    """Another key, a head of another ledger, a head of more events than are shown: each is told."""
    await _lives(server)
    old = (await server.get("/v1/export")).raw
    await server.run()
    newer = (await signed(server))["signed"]["note"]
    report = checked(old, kept=[newer])
    assert (report.verdict, report.first_bad_position) == ("damaged", report.size + 1)
    name = (await server.get("/v1/tree")).json["public_key"].partition("+")[0]
    stranger = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    report = checked(old, trusted=stranger)
    assert (report.verdict, report.first_bad_position) == ("damaged", 1)
    assert name in report.findings[0].problem
    assert checked(b"").verdict == "damaged"
    assert checked(b"nonsense").verdict == "damaged"


async def test_a_ledger_whose_key_was_changed(server: Server) -> None:
    """Heads of every key's time count, whichever of the keys the reader knows, and no others do."""
    await _lives(server)
    old = (await signed(server))["signed"]["note"]
    (await server.post("/v1/tree/keys")).expect(201)
    await server.run()
    (await server.post("/v1/tree/keys")).expect(201)
    await server.run()
    await signed(server)
    keys = (await server.get("/v1/tree/keys")).json["keys"]
    assert len(keys) == 3
    raw = (await server.get("/v1/export")).expect(200).raw
    for key in keys:
        report = checked(raw, trusted=key["public_key"], kept=[old])
        assert (report.verdict, report.key_is_known) == ("sound", True), report.findings
        assert report.public_key == keys[-1]["public_key"]
    # Without what vouches for the last key, its heads are nobody's.
    lines = [line for line in raw.split(b"\n") if keys[-1]["public_key"].encode() not in line]
    report = checked(b"\n".join(lines), trusted=keys[0]["public_key"])
    assert report.verdict == "damaged"
    assert "not what the key signed" in report.findings[0].problem


async def test_who_may_export_what(server: Server) -> None:
    """A reader gets dossiers of what it may see; the log is for auditors of all organizations."""
    runs = await _lives(server)
    dossier = f"/v1/executions/{runs[0]['uuid']}/dossier"
    viewer = await server.caller("viewer", name="viewer")
    (await viewer.get(dossier)).expect(200)
    (await viewer.get("/v1/export")).problem(403)
    stranger = await server.caller("auditor", organizations=["other"], name="stranger")
    (await stranger.get(dossier)).problem(404)
    (await stranger.get("/v1/export")).problem(403, path=None)
    auditor = await server.caller("auditor", organizations=["*"], name="auditor")
    (await auditor.get("/v1/export", until=3)).expect(200)
    (await auditor.call("HEAD", "/v1/export")).expect(200)
    (await server.under("").get(dossier)).problem(401)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"after": 5, "until": 4}, "?after"),
        ({"until": 10**9}, "?until"),
        ({"after": "x"}, "?after"),
        ({"stream": "a", "after": 1}, "?stream"),
        ({"stream": "a" * 1001}, "?stream"),
        ({"stream": ""}, "?stream"),
    ],
    ids=str,
)
async def test_what_cannot_be_exported(server: Server, query: dict[str, Any], named: str) -> None:
    """Positions that nothing has signed and what contradicts itself are the caller's fault."""
    await signed(server)
    (await server.get("/v1/export", **query)).problem(400, path=named)
