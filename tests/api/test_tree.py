"""The Merkle tree over HTTP: what is told of it can be checked from the events that are read."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from ledger.events.entry import encode_entry
from ledger.events.envelope import Recorded
from ledger.merkle.proof import verify_consistency, verify_inclusion
from ledger.merkle.tree import EMPTY_ROOT, leaf_hash
from tests.api.serving import Server
from tests.unit.merkle import naive


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


def entry_of(event: dict[str, Any]) -> bytes:
    """Make the entry of an event from what the API shows of it."""
    return encode_entry(
        Recorded(
            position=event["position"],
            stream=event["stream"],
            version=event["version"],
            event_id=UUID(event["event_id"]),
            type=event["type"],
            schema_version=event["schema_version"],
            organization=event["organization"],
            actor=event["actor"],
            occurred_at=datetime.fromisoformat(event["occurred_at"]),
            recorded_at=datetime.fromisoformat(event["recorded_at"]),
            correlation_id=_uuid(event.get("correlation_id")),
            causation_id=_uuid(event.get("causation_id")),
            number=event.get("number"),
            data_digest=bytes.fromhex(event["data_digest"]),
            event=None,
        )
    )


def _hashes(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


async def test_a_reader_checks_what_it_read(server: Server) -> None:
    """Root and proofs follow from the events that were read, and extend what was shown before."""
    await server.define()
    old = (await server.get("/v1/tree")).expect(200).json
    run = await server.run()
    answer = (await server.get("/v1/tree")).expect(200)
    new = answer.json
    assert answer.headers["Ledger-Position"] == str(new["size"])
    told = (await server.get("/v1/events", limit=1000)).expect(200).json["events"]
    entries = [entry_of(event) for event in told]
    # A write's own events are in the tree that is read after it.
    created = next(event for event in told if event["stream"] == f"execution/{run['uuid']}")
    assert old["size"] < created["position"] <= new["size"]
    for head in (old, new):
        known = entries[: head["size"]]
        assert naive.root(known).hex() == head["root"]
        assert naive.streams_root(naive.streams(known)).hex() == head["streams_root"]
        past = (await server.get("/v1/tree", size=head["size"])).expect(200).json
        assert past == {"size": head["size"], "root": head["root"]}
    for event in told[: new["size"]]:
        position = event["position"]
        found = await server.get("/v1/tree/inclusion", position=position, size=new["size"])
        assert found.expect(200).json["root"] == new["root"]
        proof, root = _hashes(found.json["proof"]), bytes.fromhex(new["root"])
        leaf = leaf_hash(entries[position - 1])
        assert verify_inclusion(leaf, position - 1, new["size"], proof, root)
    same = await server.get("/v1/tree/consistency", **{"from": old["size"], "to": new["size"]})
    for side, head in (("old", old), ("new", new)):
        assert same.expect(200).json[side] == {"size": head["size"], "root": head["root"]}
    roots = (bytes.fromhex(old["root"]), bytes.fromhex(new["root"]))
    assert verify_consistency(old["size"], new["size"], *roots, _hashes(same.json["proof"]))


async def test_the_newest_tree_is_meant_when_no_size_is_given(server: Server) -> None:
    """Proofs without a size are in a tree that holds what was just written."""
    await server.define()
    head = (await server.get("/v1/tree")).json["size"]
    found = (await server.get("/v1/tree/inclusion", position=head)).expect(200).json
    assert found["size"] >= head
    same = (await server.get("/v1/tree/consistency", **{"from": 0})).expect(200).json
    assert same["old"] == {"size": 0, "root": EMPTY_ROOT.hex()}
    assert same["new"]["size"] >= head


@pytest.mark.parametrize(
    ("path", "query", "named"),
    [
        ("/v1/tree", {"size": 10**9}, "?size"),
        ("/v1/tree", {"size": -1}, "?size"),
        ("/v1/tree", {"size": "x"}, "?size"),
        ("/v1/tree/inclusion", {}, "?position"),
        ("/v1/tree/inclusion", {"position": 0}, "?position"),
        ("/v1/tree/inclusion", {"position": 2, "size": 1}, "?position"),
        ("/v1/tree/inclusion", {"position": 1, "size": 2**63}, "?size"),
        ("/v1/tree/inclusion", {"position": 1, "size": 0}, "?position"),
        ("/v1/tree/consistency", {}, "?from"),
        ("/v1/tree/consistency", {"from": 2, "to": 1}, "?from"),
        ("/v1/tree/consistency", {"from": 1, "to": 10**9}, "?to"),
        ("/v1/tree/consistency", {"from": 1, "until": 2}, "?until"),
    ],
    ids=str,
)
async def test_what_no_tree_has(
    server: Server, path: str, query: dict[str, Any], named: str
) -> None:
    """Sizes the log has not reached and positions beyond a size are named as the caller's fault."""
    assert (await server.get(path, **query)).problem(400)["path"] == named


async def test_the_tree_is_for_readers(server: Server) -> None:
    """Whoever may read events may check them; others may not, and nobody without a key."""
    for path in ("/v1/tree", "/v1/tree/inclusion?position=1", "/v1/tree/consistency?from=1"):
        (await server.under("").get(path)).problem(401)
        viewer = await server.caller("viewer", organizations=("elsewhere",), name=path)
        (await viewer.get(path)).expect(200)
        worker = await server.caller("worker", name=f"{path} worker")
        (await worker.get(path)).problem(403)
