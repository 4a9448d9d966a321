"""The log as foreign tooling reads it: checkpoint, tiles and bundles of entries."""

import json

import pytest

from ledger.audit import heads
from ledger.events.keys import Role
from ledger.merkle.note import Verifier, verified_head
from ledger.merkle.paths import unbundle
from tests.api.serving import Server
from tests.api.test_tree_heads import signed
from tests.unit.merkle import naive


def _hash(entry: bytes) -> bytes:
    return naive.root([entry])


async def test_a_log_is_rebuilt_from_its_tiles(server: Server) -> None:
    """Checkpoint, hash tiles and entries belong together, and are what the specification says."""
    await server.define()
    for _ in range(260):
        await server.run()
    told = await signed(server)
    size = told["signed"]["size"]
    answer = (await server.get("/checkpoint")).expect(200)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    head = verified_head(answer.raw, [Verifier.parse(told["public_key"])])
    assert head.size >= size
    assert heads.unverified(answer.raw).root == head.root
    entries: list[bytes] = []
    for index in range(0, head.size, 256):
        width = min(256, head.size - index)
        name = f"{index // 256:03}" + ("" if width == 256 else f".p/{width}")
        bundled = (await server.get(f"/tile/entries/{name}")).expect(200)
        hashes = (await server.get(f"/tile/0/{name}")).expect(200)
        for part in (bundled, hashes):
            assert part.headers["Content-Type"] == "application/octet-stream"
            assert "immutable" in part.headers["Cache-Control"]
        fresh = unbundle(bundled.raw)
        assert hashes.raw == b"".join(_hash(entry) for entry in fresh)
        entries.extend(fresh)
    assert [json.loads(entry)["position"] for entry in entries] == list(range(1, head.size + 1))
    assert naive.root(entries) == head.root
    full = (await server.get("/tile/0/000")).expect(200).raw
    assert (await server.get("/tile/0/000.p/7")).expect(200).raw == full[: 7 * 32]
    assert (await server.get("/tile/1/000.p/1")).expect(200).raw == naive.root(entries[:256])


@pytest.mark.parametrize(
    "path",
    [
        "0/001",
        "0/000.p/255",
        "entries/000",
        "entries/000.p/255",
        "1/000.p/1",
        "0/0",
        "x/000",
        "6/000",
        "0/x001/x001/001",
        "0/000/..%2f..",
        "0/000.p/0",
    ],
)
async def test_what_is_no_tile_of_the_log(server: Server, path: str) -> None:
    """Tiles the log has not filled, and paths of another form, are not there."""
    await signed(server)
    (await server.get(f"/tile/{path}")).problem(404)


async def test_entries_are_for_auditors_of_everything(server: Server) -> None:
    """Hashes tell nothing and are for readers; entries name every organization's streams."""
    await signed(server)
    (await server.under("").get("/checkpoint")).problem(401)
    (await server.under("").get("/tile/0/000.p/1")).problem(401)
    (await server.get("/tile/entries/000.p/1")).expect(200)
    known: tuple[tuple[Role, str, int], ...] = (
        ("viewer", "*", 403),
        ("auditor", "default", 403),
        ("auditor", "*", 200),
    )
    for role, organization, status in known:
        name = f"{role} of {organization}"
        caller = await server.caller(role, organizations=[organization], name=name)
        (await caller.get("/checkpoint")).expect(200)
        (await caller.get("/tile/0/000.p/1")).expect(200)
        (await caller.get("/tile/entries/000.p/1")).expect(status)
    narrowed = {"Ledger-Organization": "default"}
    (await server.call("GET", "/tile/entries/000.p/1", headers=narrowed)).problem(403)
    worker = await server.caller("worker", name="worker")
    (await worker.get("/checkpoint")).problem(403)
