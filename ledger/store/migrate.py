"""Bring a database to the schema of this version: forward-only files, each applied once.

Several processes may start at once: an advisory lock lets one migrate and the others wait. Each
file runs in a transaction of its own, together with the row that remembers it and its digest.
A file that was changed after it was applied is an error, because nobody could say what the database
holds. Projection tables are not here: they are rebuilt, never migrated.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

import asyncpg
import structlog

from ledger.errors import LedgerError
from ledger.store.pool import close, connect

_LOCK: Final = 0x6A6F626C  # "jobl"
_OWN: Final = Path(__file__).parent / "sql" / "migrations"
_MINIMUM_SERVER: Final = 14

_log = structlog.get_logger(__name__)


class MigrationError(LedgerError):
    """The database and the migration files contradict each other; an operator must look."""


async def migrate(dsn: str, *extra_directories: Path) -> list[str]:
    """Apply what is missing, and give the names of what was applied.

    Order: the ledger's own files, then each extra directory's, by file name.
    Idempotent: a database that is up to date is left alone.

    Raises:
        MigrationError: an applied file has changed, or the server is too old.
    """
    connection = await connect(dsn)
    try:
        if connection.get_server_version().major < _MINIMUM_SERVER:
            message = f"PostgreSQL {_MINIMUM_SERVER} or newer is needed"
            raise MigrationError(message)
        # The lock is the session's, so that it spans the files' transactions.
        await connection.execute("select pg_advisory_lock($1)", _LOCK, timeout=120)
        return await _apply(connection, (_OWN, *extra_directories))
    finally:
        await close(connection)


async def _apply(connection: "asyncpg.Connection[Any]", directories: tuple[Path, ...]) -> list[str]:
    await connection.execute(
        "create table if not exists public.jobledger_migrations ("
        " name text primary key, sha256 text not null, applied_at timestamptz not null default now())"
    )
    rows = await connection.fetch("select name, sha256 from public.jobledger_migrations")
    known = {row["name"]: row["sha256"] for row in rows}
    applied: list[str] = []
    for directory in directories:
        for file in sorted(directory.glob("*.sql")):
            name = f"{directory.parents[1].name}/{file.name}"
            text = file.read_text(encoding="utf-8")
            digest = hashlib.sha256(text.encode()).hexdigest()
            if name in known:
                if known[name] != digest:
                    message = f"migration {name} was changed after it had been applied"
                    raise MigrationError(message)
                continue
            async with connection.transaction():
                await connection.execute(text)
                await connection.execute(
                    "insert into public.jobledger_migrations (name, sha256) values ($1, $2)",
                    name,
                    digest,
                )
            _log.info("migration applied", name=name)
            applied.append(name)
    return applied
