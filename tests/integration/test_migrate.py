"""Migrations, and that the hot statements find their rows by index."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ledger.store import migrate as migrate_module
from ledger.store.append import _SQL
from ledger.store.migrate import MigrationError, migrate
from ledger.store.postgres import PostgresStore
from tests.contract.log import append, later, one, progressed, write

OWN = [f"store/{file.name}" for file in sorted(migrate_module._OWN.glob("*.sql"))]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder of migrations beside the ledger's own."""
    own = tmp_path / "views" / "sql" / "migrations"
    own.mkdir(parents=True)
    (own / "0001_one.sql").write_text("create table one ();")
    (own / "0002_two.sql").write_text("create table two ();")
    return own


async def empty(dsn: str) -> None:
    """Take back what the template holds."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("drop schema ledger cascade; drop table public.jobledger_migrations")
    await connection.close()


class TestMigrate:
    """Forward-only files, each applied once."""

    async def test_twice_is_nothing(self, database_url: str, directory: Path) -> None:
        """In order, and only what is missing."""
        await empty(database_url)
        assert await migrate(database_url) == OWN
        assert await migrate(database_url) == []
        assert await migrate(database_url, directory) == [
            "views/0001_one.sql",
            "views/0002_two.sql",
        ]
        (directory / "0003_three.sql").write_text("create table three ();")
        assert await migrate(database_url, directory) == ["views/0003_three.sql"]

    async def test_four_start_at_once(self, database_url: str, directory: Path) -> None:
        """One migrates, the others wait and find it done."""
        await empty(database_url)
        applied = await asyncio.gather(*(migrate(database_url, directory) for _ in range(4)))
        assert sorted(map(len, applied)) == [0, 0, 0, len(OWN) + 2]
        store = await PostgresStore.open(database_url)
        assert len(await store.append(one("s"))) == 1
        await store.close()

    async def test_a_changed_file_is_refused(self, database_url: str, directory: Path) -> None:
        """Nobody could say what the database holds; nothing after it is applied."""
        await migrate(database_url, directory)
        (directory / "0001_one.sql").write_text("create table other ();")
        (directory / "0003_three.sql").write_text("create table three ();")
        with pytest.raises(MigrationError, match=r"views/0001_one\.sql"):
            await migrate(database_url, directory)
        connection = await asyncpg.connect(database_url)
        assert await connection.fetchval("select to_regclass('three')") is None
        await connection.close()

    async def test_a_failing_file_leaves_nothing(self, database_url: str, directory: Path) -> None:
        """Its statements and its row go together, and those before it stay."""
        (directory / "0002_two.sql").write_text("create table two (); select 1/0;")
        with pytest.raises(asyncpg.DivisionByZeroError):
            await migrate(database_url, directory)
        connection = await asyncpg.connect(database_url)
        assert await connection.fetchval("select to_regclass('one')") == "one"
        assert await connection.fetchval("select to_regclass('two')") is None
        await connection.close()
        (directory / "0002_two.sql").write_text("create table two ();")
        assert await migrate(database_url, directory) == ["views/0002_two.sql"]

    async def test_an_old_server_is_refused(
        self, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before anything is touched."""
        monkeypatch.setattr(migrate_module, "_MINIMUM_SERVER", 99)
        with pytest.raises(MigrationError, match="99 or newer"):
            await migrate(database_url)


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    """Walk a plan."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


class TestPlans:
    """Statements that run all the time read what they give, not the log."""

    @pytest.fixture
    async def filled(self, database_url: str) -> str:
        """A log that is large enough for the planner to care, in two partitions."""
        store = await PostgresStore.open(database_url)
        for number in range(40):
            due = later(3600) if number else later(-5)
            await store.append(
                append(
                    *(
                        write(f"s{number}-{n}", 0, *[progressed()] * 3, due_at=due)
                        for n in range(50)
                    )
                )
            )
        await store.close()
        connection = await asyncpg.connect(database_url)
        await connection.execute("analyze")
        await connection.close()
        return database_url

    @pytest.mark.parametrize(
        ("statement", "arguments", "index"),
        [
            ("read_stream", ("s20-7", 1, None), "events_000000_stream_version_idx"),
            ("read_log", (3000, 50), "events_000000_pkey"),
            ("take_due", (20, 5.0), "streams_due"),
            ("claim_owner", ("k",), "claims_pkey"),
            ("set_due", ("s20-7", 3, None), "streams_pkey"),
        ],
    )
    async def test_by_index(
        self, filled: str, statement: str, arguments: tuple[Any, ...], index: str
    ) -> None:
        """No table is scanned, whether the plan is made for these values or for any."""
        connection = await asyncpg.connect(filled)
        for mode in ("force_custom_plan", "force_generic_plan"):
            await connection.execute(f"set plan_cache_mode = {mode}")
            # With few rows a scan may be as cheap; the question is whether it can do without.
            await connection.execute("set enable_seqscan = off")
            sql = f"explain (format json) {_SQL[statement]}"
            plan = json.loads(await connection.fetchval(sql, *arguments))[0]["Plan"]
            scans = [node for node in nodes(plan) if "Relation Name" in node]
            assert not [node for node in scans if node["Node Type"] == "Seq Scan"], plan
            assert index in [node.get("Index Name") for node in nodes(plan)], plan
        await connection.close()
