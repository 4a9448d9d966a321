"""Signed heads: what was signed stays so, is continued or refused, and one key at a time signs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from api.audit import keyfile
from ledger.audit.keys import Trust
from ledger.merkle.note import BadSignature, Signer, Verifier
from ledger.merkle.proof import verify_consistency
from tests.api.serving import Caller, Server, serving
from tests.waiting import eventually


@asynccontextmanager
async def tampering(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Give a connection on which no trigger fires, as a superuser can make one."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("set session_replication_role = replica")
        yield connection
    finally:
        await connection.close()


async def signed(server: Caller) -> Any:
    """Wait until all that is in the log is signed, and give the tree as it is shown."""
    head = await server.head()
    told = (await server.get("/v1/tree", signed=head, wait=20)).expect(200).json
    assert told["signed"]["size"] >= head
    return told


async def trusted(server: Caller) -> Trust:
    """Follow the ledger's keys from the first."""
    keys = (await server.get("/v1/tree/keys")).expect(200).json["keys"]
    assert [key["number"] for key in keys] == list(range(1, len(keys) + 1))
    return Trust(
        Verifier.parse(keys[0]["public_key"]), [key["change"].encode() for key in keys[1:]]
    )


async def test_what_the_tree_has_reached_is_signed(server: Server, tmp_path: Path) -> None:
    """A head covers what was written, is kept in two places, and is consistent with those before."""
    await server.define()
    before = (await signed(server))["signed"]
    await server.run()
    told = await signed(server)
    after = told["signed"]
    trust = await trusted(server)
    assert told["public_key"] == trust.terms[-1].key.text
    assert told["signing"] == {"state": "signing", "reason": "", "size": None}
    for shown in (before, after):
        head = trust.head(shown["note"].encode())
        assert (head.size, head.root.hex()) == (shown["size"], shown["root"])
        assert head.streams_root.hex() == shown["streams_root"]
    assert before["size"] < after["size"]
    sizes = {"from": before["size"], "to": after["size"]}
    found = (await server.get("/v1/tree/consistency", **sizes)).expect(200).json
    assert verify_consistency(
        before["size"],
        after["size"],
        bytes.fromhex(before["root"]),
        bytes.fromhex(after["root"]),
        [bytes.fromhex(each) for each in found["proof"]],
    )
    listed = (await server.get("/v1/tree/heads")).expect(200).json
    assert before in listed["heads"]
    assert after in listed["heads"]
    assert [head["size"] for head in listed["heads"]] == sorted(
        {head["size"] for head in listed["heads"]}
    )
    page = (await server.get("/v1/tree/heads", after=before["size"], limit=1)).json
    assert page["heads"][0]["size"] == page["next_after"] > before["size"]

    def kept() -> bool:
        return bool((tmp_path / "tree-head").read_text(encoding="utf-8") == after["note"])

    await eventually(kept)
    assert (tmp_path / "tree-key").stat().st_mode & 0o777 == 0o600


async def test_what_was_signed_cannot_be_taken_back(server: Server, database_url: str) -> None:
    """Rows of heads and keys refuse every change."""
    await signed(server)
    connection = await asyncpg.connect(database_url)
    try:
        for table in ("audit.tree_head", "audit.tree_key"):
            for statement in (f"delete from {table}", f"truncate {table} cascade"):
                with pytest.raises(asyncpg.PostgresError, match="immutable"):
                    await connection.execute(statement)
        for change in ("tree_head set note = ''", "tree_key set public_key = ''"):
            with pytest.raises(asyncpg.PostgresError, match="immutable"):
                await connection.execute(f"update audit.{change}")
    finally:
        await connection.close()


async def test_no_head_is_signed_that_contradicts_one(server: Server, database_url: str) -> None:
    """When the tree no longer continues what was signed, nothing is signed, and everybody is told."""
    await server.define()
    size = (await signed(server))["signed"]["size"]
    async with tampering(database_url) as connection:
        await connection.execute(
            "update view_tree.tile set hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)"
            " where level = 0 and index = 0"
        )
    await server.run()

    async def refused() -> Any:
        told = (await server.get("/v1/tree")).expect(200).json
        return told if told["signing"]["state"] == "inconsistent" else None

    told = await eventually(refused)
    assert told["signing"]["size"] == told["signed"]["size"] == size
    assert "does not continue" in told["signing"]["reason"]
    assert (await server.get("/healthz")).json == {"status": "inconsistent-tree"}
    assert (await server.get("/readyz")).json["tree"] == "inconsistent"
    text = (await server.get("/metrics")).expect(200).raw.decode()
    assert "jobledger_tree_inconsistent 1.0" in text


@pytest.mark.parametrize("with_heads", [False, True], ids=["heads-left", "heads-cut-too"])
async def test_a_cut_log_is_not_signed(
    database_url: str, tmp_path: Path, *, with_heads: bool
) -> None:
    """A database cut off at an earlier point is held against the head kept outside of it."""
    async with serving(database_url, tmp_path) as server:
        await server.define()
        size = (await signed(server))["signed"]["size"]
        await server.run()
        newest = (await signed(server))["signed"]["size"]
        await eventually(lambda: str(newest) in (tmp_path / "tree-head").read_text("utf-8"))
    async with tampering(database_url) as connection:
        await connection.execute("delete from ledger.events where position > $1", size)
        await connection.execute("update ledger.head set position = $1", size)
        await connection.execute("drop schema view_tree cascade")
        await connection.execute("delete from projections.projection where name = 'tree'")
        if with_heads:
            await connection.execute("delete from audit.tree_head where size > $1", size)
    async with serving(database_url, tmp_path) as server:

        async def refused() -> Any:
            told = (await server.get("/v1/tree")).expect(200).json["signing"]
            return told if told["state"] == "inconsistent" else None

        told = await eventually(refused)
        assert told["size"] == newest
        assert (await server.get("/v1/tree")).json["signed"]["size"] == (
            size if with_heads else newest
        )


async def test_a_log_that_went_on_from_an_earlier_point_is_not_signed(
    server: Server, database_url: str
) -> None:
    """Events that were put in the place of signed ones stop the signing, however many there are."""
    await server.define()
    size = (await signed(server))["signed"]["size"]
    async with tampering(database_url) as connection:
        await connection.execute(
            "update ledger.events set event_id = gen_random_uuid() where position = $1", size
        )
    await server.run()

    async def refused() -> Any:
        told = (await server.get("/v1/tree")).expect(200).json["signing"]
        return told if told["state"] == "inconsistent" else None

    told = await eventually(refused)
    assert told["size"] == size
    assert told["reason"] == f"the event at {size} is not the one that was signed"


async def test_a_changed_head_is_found(server: Server, database_url: str) -> None:
    """A stored head that is not what the key signed stops the signing."""
    await signed(server)
    async with tampering(database_url) as connection:
        await connection.execute("update audit.tree_head set note = replace(note, 'streams', 'x')")
    await server.define()

    async def refused() -> Any:
        told = (await server.get("/v1/tree")).expect(200).json["signing"]
        return told if told["state"] == "inconsistent" else None

    assert "changed" in (await eventually(refused))["reason"]


async def test_one_key_signs_for_a_ledger(
    server: Server, database_url: str, tmp_path: Path
) -> None:
    """A node with another key, or with none, does not sign and says so; one with the file does."""
    await signed(server)
    key = (tmp_path / "tree-key").read_text()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with serving(database_url, elsewhere) as other:
        told = await eventually(lambda: _standing(other, "no-key"))
        assert "does not hold" in told["reason"]
        assert not (elsewhere / "tree-key").exists()
        (await other.post("/v1/tree/keys")).problem(409, "not-the-key")
        # What the other node signs is seen here.
        await other.define()
        assert (await signed(other))["signed"]["key"] == 1
    for text in (Signer("jobledger/x", bytes(32)).text, "no key at all", "\u2014"):
        keyfile.write(elsewhere / "tree-key", text)
        async with serving(database_url, elsewhere) as other:
            await eventually(lambda: _standing(other, "no-key"))
    async with serving(database_url, elsewhere, tree_key=tmp_path / "tree-key") as other:
        await eventually(lambda: _standing(other, "signing"))
        await other.define("More")
        await signed(other)
    assert (tmp_path / "tree-key").read_text() == key


async def _standing(server: Server, state: str) -> Any:
    told = (await server.get("/v1/tree")).expect(200).json["signing"]
    return told if told["state"] == state else None


async def test_a_key_can_be_replaced(server: Server, database_url: str, tmp_path: Path) -> None:
    """The old key vouches for the new one, which signs from then on; other nodes take it up."""
    await server.define()
    old = (await signed(server))["signed"]
    first = (await trusted(server)).terms[0].key
    changed = (await server.post("/v1/tree/keys")).expect(201).json["keys"]
    assert len(changed) == 2
    await server.run()
    new = (await signed(server))["signed"]
    assert (old["key"], new["key"]) == (1, 2)
    trust = await trusted(server)
    assert trust.has(first)
    assert (
        Signer.parse((tmp_path / "tree-key").read_text().strip()).verifier.text
        == (changed[1]["public_key"])
    )
    for head in (old, new):
        assert trust.head(head["note"].encode()).size == head["size"]
    with pytest.raises(BadSignature):
        Trust(first).head(new["note"].encode())
    # A crash before the file was moved leaves the new key beside the old one.
    (tmp_path / "tree-key").replace(tmp_path / "tree-key.next")
    async with serving(database_url, tmp_path) as other:
        await eventually(lambda: _standing(other, "signing"))
        await other.define("More")
        assert (await signed(other))["signed"]["key"] == 2
    operator = await server.caller("operator", name="operator")
    (await operator.post("/v1/tree/keys")).problem(403)
    (await operator.get("/v1/tree/keys")).expect(200)


async def test_a_key_that_cannot_be_read_is_not_made_anew(
    database_url: str, tmp_path: Path
) -> None:
    """A damaged key file is left for its operator to restore, and nothing is signed meanwhile."""
    (tmp_path / "tree-key").write_text("damaged")
    async with serving(database_url, tmp_path) as server:
        told = await eventually(lambda: _standing(server, "no-key"))
        assert "tree-key" in told["reason"]
        assert (await server.get("/v1/tree")).json["signed"] is None
        (await server.get("/checkpoint")).problem(404)
        assert (tmp_path / "tree-key").read_text() == "damaged"


async def test_a_ledger_may_be_named(database_url: str, tmp_path: Path) -> None:
    """A new ledger's heads bear the name it was given."""
    async with serving(database_url, tmp_path, tree_name="ledger.example/jobs") as server:
        assert (await signed(server))["signed"]["note"].startswith("ledger.example/jobs\n")
