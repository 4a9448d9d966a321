"""`jobledger verify` against somebody who may do everything to the database.

Each case shows the untouched ledger passing first, then changes it as a superuser would, with no trigger
firing, and expects the first bad position by name.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import asyncpg
import msgspec
import pytest

from api.audit import keyfile
from api.cli.verify import check_server
from api.cli.vouchers import find_vouchers
from ledger.audit import heads
from ledger.audit.heads import LedgerHead
from ledger.audit.report import Report
from ledger.merkle.note import Signer
from tests.api.serving import Server, serving
from tests.api.test_tree_heads import signed, tampering
from tests.integration.test_cli_commands import cli
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(120)

Connection: TypeAlias = "asyncpg.Connection[Any]"


class Ground:
    """A ledger with some history, its data directory, and who may change its database."""

    def __init__(self, server: Server, data: Path, database: Connection, url: str) -> None:
        self.server = server
        self.data = data
        self.database = database
        self.url = url
        self.size = 0
        self.runs: list[Any] = []

    async def fill(self) -> None:
        """Write some lives, signed at several sizes."""
        for name in ("Job", "Other"):
            await self.server.define(name)
            self.runs.append(await self.server.run(name, name="a b"))
            (lease,) = await self.server.claim()
            await self.server.report(lease, {"type": "progressed", "progress": {"percent": 50}})
            await self.server.finish(lease)
            self.runs.append(await self.server.run(name))
            self.size = (await signed(self.server))["signed"]["size"]
        await eventually(lambda: self.kept().startswith(f"{self.size}\n"))

    def kept(self) -> str:
        """Give the head that is kept outside the database, without its first line."""
        return (self.data / "tree-head").read_text(encoding="utf-8").partition("\n")[2]

    async def check(self) -> Report:
        """Check in this process, as `jobledger verify` does."""
        vouchers = find_vouchers(None, (), self.data)
        return await check_server(self.server.url, self.server.key, vouchers)

    async def verify(self, *options: str, code: int) -> Any:
        """Run the command."""
        found, out, err = await cli(
            *("verify", "--json", "--url", self.server.url, "--data", str(self.data)), *options
        )
        assert found == code, (out, err)
        return msgspec.json.decode(out)

    async def sound(self) -> None:
        """See that nothing is wrong yet."""
        report = await self.check()
        assert (report.verdict, report.findings) == ("sound", ())
        assert report.key_is_known
        assert report.kept_size == self.size <= report.events
        assert report.heads >= 2

    async def damaged(self, position: int | None, *words: str) -> Report:
        """See that the first bad position is named, and why."""
        report = await self.check()
        assert report.verdict == "damaged"
        assert report.first_bad_position == position, report.findings
        told = " ".join(finding.problem for finding in report.findings)
        for word in words:
            assert word in told, told
        return report


@pytest.fixture
async def ground(database_url: str, tmp_path: Path) -> AsyncIterator[Ground]:
    """Give a ledger that is sound."""
    async with ground_of(database_url, tmp_path) as ground:
        yield ground


@asynccontextmanager
async def ground_of(database_url: str, data: Path) -> AsyncIterator[Ground]:
    """Make a ledger with some history."""
    async with serving(database_url, data) as server, tampering(database_url) as database:
        ground = Ground(server, data, database, database_url)
        await ground.fill()
        yield ground


COLUMNS: Final = {
    "position": "int",
    "stream": "text",
    "version": "int",
    "event_id": "uuid",
    "type": "text",
    "schema_version": "int",
    "organization": "text",
    "actor": "text",
    "occurred_at": "instant",
    "recorded_at": "instant",
    "correlation_id": "uuid",
    "causation_id": "uuid",
    "number": "int",
    "data_digest": "bytes",
    "salt": "bytes",
    "data": "bytes",
}
CHANGES: Final = {
    # $1 position, $2 which byte of the value or bit of the number
    "int": "coalesce({c}, 0) # (1::int8 << $2::int % {bits})::{kind}",
    "uuid": "overlay(coalesce({c}, '0198f000-0000-7000-8000-000000000000')::text"
    " placing translate(substr(coalesce({c}, '0198f000-0000-7000-8000-000000000000')::text,"
    " 25 + $2::int % 12, 1), '0123456789abcdef', '123456789abcdef0') from 25 + $2::int % 12)::uuid",
    "text": "overlay({c} placing chr(ascii(substr({c}, 1 + $2::int % length({c}), 1)) # 1)"
    " from 1 + $2::int % length({c}))",
    "instant": "{c} + ((1::int8 << $2::int % 50) || ' microseconds')::interval",
    "bytes": "set_byte({c}, $2::int % octet_length({c}),"
    " get_byte({c}, $2::int % octet_length({c})) # (1 << $2::int % 8))",
}
BITS: Final = {"position": (20, "int8"), "version": (30, "int4"), "schema_version": (14, "int2")}


def change_of(column: str) -> str:
    """Write the statement that changes one byte of a column."""
    kind = COLUMNS[column]
    bits, cast = BITS.get(column, (60, "int8"))
    value = CHANGES[kind].format(c=column, bits=bits, kind=cast)
    return f"update ledger.events set {column} = {value} where position = $1"


async def test_any_byte_of_any_column_of_any_row(ground: Ground) -> None:
    """Whatever is changed in a row, its position is named; put back, all is well again."""
    draw = random.Random(6)
    await ground.sound()
    for column in COLUMNS:
        for _ in range(5):
            position, which = draw.randint(1, ground.size), draw.randrange(10_000)
            row = await ground.database.fetchrow(
                "select * from ledger.events where position = $1", position
            )
            assert row is not None
            where = (column, position, which)
            try:
                done = await ground.database.execute(change_of(column), position, which)
            except asyncpg.UniqueViolationError:
                continue  # another row has that position
            assert done == "UPDATE 1", where
            report = await ground.check()
            assert report.verdict == "damaged", where
            assert report.first_bad_position == position, (where, report.findings)
            await ground.database.execute(
                "delete from ledger.events where event_id = any($1::uuid[])",
                [row["event_id"]],
            )
            await ground.database.execute("delete from ledger.events where position = $1", position)
            places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
            await ground.database.execute(
                f"insert into ledger.events ({', '.join(row.keys())}) values ({places})",
                *row.values(),
            )

    async def sound() -> bool:
        await ground.sound()
        return True

    # A signer that saw the newest signed event changed looks again after a while.
    await eventually(sound)


async def test_a_blank_that_became_a_line_break(ground: Ground) -> None:
    """A byte that breaks the line it is sent on is found like any other."""
    await ground.sound()
    position = await ground.database.fetchval(
        "update ledger.events set data = replace(convert_from(data, 'utf8'), 'a b', E'a\\nb')::bytea"
        " where data like '%a b%'::bytea and position = ("
        " select min(position) from ledger.events where data like '%a b%'::bytea)"
        " returning position"
    )
    await ground.damaged(position, "no event as the ledger writes it")


async def test_a_row_that_is_gone(ground: Ground) -> None:
    """A missing event is named, and what comes behind it is not called wrong."""
    await ground.sound()
    await ground.database.execute("delete from ledger.events where position = 7")
    report = await ground.damaged(7, "the event is missing")
    assert [finding.position for finding in report.findings] == [7]


async def test_two_rows_that_changed_places(ground: Ground) -> None:
    """Two events whose contents were exchanged are both named, the first one first."""
    await ground.sound()
    columns = ", ".join(name for name in COLUMNS if name != "position")
    await ground.database.execute(
        f"update ledger.events e set ({columns}) = (select {columns} from ledger.events o"
        " where o.position = case e.position when 6 then 9 else 6 end) where position in (6, 9)"
    )
    report = await ground.damaged(6, "signed tree holds another")
    assert {6, 9} <= {finding.position for finding in report.findings}


async def test_a_tail_that_was_cut(ground: Ground) -> None:
    """Rows that are gone from the end are missing, whatever the head row says."""
    await ground.sound()
    cut = ground.size - 4
    await ground.database.execute("delete from ledger.events where position > $1", cut)
    await ground.damaged(cut + 1, f"to position {ground.size} are missing")


async def test_a_database_that_was_cut_consistently(database_url: str, tmp_path: Path) -> None:
    """Cut with its head row, views and signed heads, it is found out by the head kept outside."""
    async with ground_of(database_url, tmp_path) as ground:
        await ground.sound()
        sizes = [
            row["size"] for row in await ground.database.fetch("select size from audit.tree_head")
        ]
    earlier = max(size for size in sizes if size < ground.size)
    async with tampering(database_url) as database:
        await database.execute("delete from ledger.events where position > $1", earlier)
        await database.execute("update ledger.head set position = $1", earlier)
        await database.execute("delete from audit.tree_head where size > $1", earlier)
        await database.execute("drop schema view_tree cascade")
        await database.execute("delete from projections.projection")
    # No server is asked, and the tree is not there: the heads that are left stand for it.
    report = await ground.verify("--database", database_url, code=1)
    assert (report["first_bad_position"], report["size"]) == (earlier + 1, earlier)
    async with serving(database_url, tmp_path) as server:
        ground.server = server
        await ground.damaged(earlier + 1, "are gone: you kept a head")


async def test_heads_signed_by_another_key(ground: Ground) -> None:
    """A ledger that was signed anew by somebody else is not vouched for, from its first event on."""
    await ground.sound()
    forger = keyfile.new(Signer.parse((ground.data / "tree-key").read_text().strip()).verifier.name)
    await ground.database.execute("update audit.tree_key set public_key = $1", forger.verifier.text)
    await _sign_anew(ground, forger)
    report = await ground.damaged(
        1, "nothing is vouched for by the key that you trust", forger.verifier.text
    )
    assert not report.key_is_known
    # Who brings a key along needs no data directory.
    elsewhere = await ground.verify("--public-key", str(ground.data / "tree-key"), code=1)
    assert elsewhere["first_bad_position"] == 1


async def test_heads_signed_by_another_key_under_the_old_name(ground: Ground) -> None:
    """Heads that claim the ledger's key, and are not signed with it, are each named."""
    await ground.sound()
    first = await ground.database.fetchval("select min(size) from audit.tree_head")
    forger = keyfile.new(Signer.parse((ground.data / "tree-key").read_text().strip()).verifier.name)
    await _sign_anew(ground, forger)
    await ground.damaged(first, "is not what the key signed")


async def _sign_anew(ground: Ground, forger: Signer) -> None:
    for row in await ground.database.fetch("select * from audit.tree_head"):
        head = LedgerHead(
            origin=forger.verifier.name,
            size=row["size"],
            root=row["root"],
            streams_root=row["streams_root"],
        )
        await ground.database.execute(
            "update audit.tree_head set note = $1 where size = $2",
            heads.sign(head, forger).decode(),
            row["size"],
        )


async def test_a_tile_that_was_changed(ground: Ground) -> None:
    """A kept hash that differs from its event is named, and the event is not blamed."""
    await ground.sound()
    await ground.database.execute(
        "update view_tree.tile set hashes = set_byte(hashes, 32 * 4, get_byte(hashes, 32 * 4) # 1)"
        " where level = 0 and index = 0"
    )
    await ground.damaged(5, "the event is the one that was signed")


async def test_a_map_of_streams_that_was_changed(ground: Ground) -> None:
    """A head that was signed over a false map of streams is found by counting again."""
    await ground.sound()
    await ground.database.execute(
        "update view_tree.stream_bucket set records = set_byte(records, 71, get_byte(records, 71) # 1)"
    )
    # What is kept of a stream is built upon when its next event comes.
    (await ground.server.post(f"/v1/executions/{ground.runs[-1]['uuid']}/cancel")).expect(200)
    told = await signed(ground.server)
    await ground.damaged(told["signed"]["size"], "another map of streams")


@pytest.mark.parametrize("part", ["root", "signature", "streams"])
async def test_a_stored_head_that_was_changed(ground: Ground, part: str) -> None:
    """A published head that is not what was signed is named by its size."""
    await ground.sound()
    (row,) = await ground.database.fetch(
        "select size, note from audit.tree_head order by size limit 1"
    )
    size, note = row
    lines = note.split("\n")
    number = {"root": 2, "streams": 3, "signature": 5}[part]
    line = lines[number]
    place = len(line) - 10
    lines[number] = line[:place] + ("A" if line[place] != "A" else "B") + line[place + 1 :]
    await ground.database.execute(
        "update audit.tree_head set note = $1 where size = $2", "\n".join(lines), size
    )
    await ground.damaged(size, "is not what the key signed")


async def test_a_past_that_was_rewritten_and_hashed_anew(database_url: str, tmp_path: Path) -> None:
    """With a consistent new tree the change lies between two signed heads, and is named so."""
    async with ground_of(database_url, tmp_path) as ground:
        await ground.sound()
        sizes = [row[0] for row in await ground.database.fetch("select size from audit.tree_head")]
    position = ground.size - 3
    async with tampering(database_url) as database:
        await database.execute(
            "update ledger.events set data = '{}', data_digest = sha256(salt || '{}')"
            " where position = $1",
            position,
        )
        await database.execute("drop schema view_tree cascade")
        await database.execute("delete from projections.projection where name = 'tree'")
    before = max((size for size in sizes if size < position), default=0)
    after = min(size for size in sizes if size >= position)
    async with serving(database_url, tmp_path) as server:
        ground.server = server

        async def refused() -> bool:
            told = (await server.get("/v1/tree")).expect(200).json
            return bool(told["signing"]["state"] == "inconsistent")

        await eventually(refused, deadline_s=30)
        await ground.damaged(before + 1, f"between here and position {after}")


async def test_content_that_was_removed_by_hand(ground: Ground) -> None:
    """What is gone without an erasure on record is damage."""
    await ground.sound()
    await ground.database.execute(
        "update ledger.events set salt = null, data = null where position = 6"
    )
    await ground.damaged(6, "no erasure of")


async def test_what_was_erased_is_shown_and_is_no_damage(ground: Ground) -> None:
    """An erasure on record is told with its positions, and everything else still holds."""
    await ground.sound()
    run = ground.runs[0]["uuid"]
    before = [event["position"] for event in await ground.server.events(run)]
    (await ground.server.post(f"/v1/executions/{run}/erase", {"reason": "asked for"})).expect(200)
    await signed(ground.server)
    report = await ground.check()
    assert report.verdict == "sound"
    assert list(report.erased_positions) == before
    assert report.erased == len(before)


async def test_the_command(ground: Ground) -> None:
    """Exit codes are for scripts, words for people, and JSON holds what both say."""
    report = await ground.verify(code=0)
    assert (report["verdict"], report["first_bad_position"]) == ("sound", None)
    assert (report["key_is_known"], report["kept_size"]) == (True, ground.size)
    where = ("verify", "--url", ground.server.url, "--data", str(ground.data))
    code, out, _ = await cli(*where)
    assert (code, f"positions 1 to {report['events']}" in out) == (0, True)
    assert f"known from {ground.data}/tree-key" in out
    await ground.database.execute("update ledger.events set actor = 'mallory' where position = 5")
    code, out, _ = await cli(*where)
    assert code == 1
    assert "damaged: the first bad position is 5" in out
    assert "it is not the event that was signed" in out


async def test_what_cannot_be_checked(ground: Ground, tmp_path: Path) -> None:
    """No server, no right to read, no ledger: that is neither sound nor damaged."""
    viewer = await ground.server.caller("auditor", organizations=["default"], name="auditor")
    for options in (
        ("--url", "http://127.0.0.1:9"),
        ("--key", viewer.key),
        ("--key", "wrong"),
        ("--database", "postgresql://nobody@127.0.0.1:9/none"),
    ):
        report = await ground.verify(*options, code=2)
        assert report["verdict"] == "unchecked"
        assert report["reason"]
    code, _, err = await cli("verify", "--head", str(ground.data / "tree-key"))
    assert (code, "no signed head" in err) == (2, True)
    assert await asyncio.to_thread((tmp_path / "none").exists) is False


async def test_a_dossier_stays_sound_while_the_ledger_goes_on(
    ground: Ground, tmp_path: Path
) -> None:
    """A head from after the export is not held against it, which is said; a flipped bit is named."""
    dossier = tmp_path / "dossier"
    number = str(ground.runs[0]["number"])
    where = ("--url", ground.server.url, "--data", str(ground.data))
    code, out, err = await cli("export", number, "-o", str(dossier), *where)
    assert code == 0, (out, err)
    verify = ("verify", str(dossier), "--data", str(ground.data))
    code, out, _ = await cli(*verify)
    assert (code, f"among them yours of {ground.size} events" in out) == (0, True), out
    exported = ground.size
    await ground.fill()
    code, out, _ = await cli(*verify)
    assert (code, f"exported at {exported} events, before the head of {ground.size}" in out) == (
        0,
        True,
    ), out
    # Whoever names a head wants it held against what is checked.
    kept = tmp_path / "kept"
    kept.write_bytes((ground.data / "tree-head").read_bytes())
    code, out, _ = await cli(*verify, "--head", str(kept))
    assert (code, f"you kept a head of {ground.size} events" in out) == (1, True), out
    raw = bytearray(dossier.read_bytes())
    raw[raw.index(b'"actor":"') + len(b'"actor":"')] ^= 1
    dossier.write_bytes(raw)
    code, out, _ = await cli(*verify)
    assert (code, "damaged: the first bad position is" in out) == (1, True), out
    assert "are gone" not in out
