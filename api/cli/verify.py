"""`jobledger verify`: check a ledger, or an export of it, and name the first bad position."""

import asyncio
import gzip
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import click
from msgspec.structs import replace

from api.audit import heads
from api.audit.export import log_lines
from api.cli.checking import check_lines, file_lines, tell
from api.cli.connection import address_options, find_address, json_option
from api.cli.problems import describe
from api.cli.vouchers import Vouchers, find_vouchers
from api.client.errors import ClientError
from api.client.session import Ledger
from ledger.audit import export
from ledger.audit.check import Checker
from ledger.audit.report import Report
from ledger.errors import LedgerError
from ledger.store.embedded import EmbeddedPostgres, EmbeddedPostgresError
from ledger.store.pool import open_pool, store_errors

POSTGRES: Final = "postgres"
CONNECTIONS: Final = 4


@click.command(short_help="Check a ledger, or an export of it.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--database", help="Read this database (a URL), and ask no server.")
@click.option(
    "--direct", is_flag=True, help="Read the database in the data directory, and ask no server."
)
@click.option("--public-key", help="The ledger's key as you know it: its text, or a file with it.")
@click.option(
    "--head",
    "kept",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A signed head that you kept; may be repeated.",
)
@json_option
@address_options
def verify(
    *,
    file: Path | None,
    database: str | None,
    direct: bool,
    public_key: str | None,
    kept: tuple[Path, ...],
    as_json: bool,
    url: str | None,
    key: str | None,
    data: Path,
) -> None:
    """Check that nobody has changed, removed or added an event unseen.

    FILE is an export or a dossier; it takes no server. Without it the ledger itself is checked,
    from its first event to the newest signed one. The data directory's own key and head are held
    against it unless others are named; its head only if FILE was not exported before it.

    Exit codes: 0 sound, 1 damaged, 2 it could not be checked.
    """
    if sum((file is not None, database is not None, direct)) > 1:
        raise click.UsageError("name a file, or --database, or --direct")
    opening = _opening_of(file) if file is not None else None
    vouchers = find_vouchers(public_key, kept, data, of=opening)
    if file is not None:
        report = _check_file(file, _checker(vouchers))
        if vouchers.remark:
            report = replace(report, remarks=(*report.remarks, vouchers.remark))
    elif database is not None or direct:
        report = asyncio.run(_check_database(database, data, _checker(vouchers)))
    else:
        address = find_address(url, key, data)
        report = asyncio.run(check_server(address.url, address.key, vouchers))
    sys.exit(tell(report, known_from=vouchers.source, as_json=as_json))


def _checker(vouchers: Vouchers) -> Checker:
    return Checker(trusted=vouchers.key, kept=vouchers.heads)


def _opening_of(file: Path) -> export.Export | None:
    """Read what an export says of itself, if it can be read."""
    try:
        line = export.parse(next(file_lines(file), b""))
    except (OSError, EOFError, zlib.error, export.NotAnExport):
        return None
    return line if isinstance(line, export.Export) else None


def _check_file(file: Path, checker: Checker) -> Report:
    try:
        for line in file_lines(file):
            checker.take(line)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        checker.say(f"the file's packing is damaged: {error}")
    except OSError as error:
        return checker.report(failed=f"{file} cannot be read: {error.strerror}")
    return checker.report()


async def check_server(url: str, key: str, vouchers: Vouchers) -> Report:
    """Check the ledger that a server gives; once more if it was erased from meanwhile."""
    async with Ledger(url, key) as ledger:
        checker = _checker(vouchers)
        report = await _check_log(ledger, checker)
        if checker.lacks_erasures_only:
            report = await _check_log(ledger, _checker(vouchers))
    return report


async def _check_log(ledger: Ledger, checker: Checker) -> Report:
    try:
        async with aclosing(ledger.audit.log()) as lines:
            await check_lines(checker, lines)
        state = await ledger.audit.tree()
    except ClientError as error:
        return checker.report(failed=describe(error))
    signing = state.signing
    if signing and signing.state == "inconsistent" and checker.is_sound_so_far:
        checker.say(f"the server signs no more: {signing.reason}", signing.size)
    return checker.report()


async def _check_database(database: str | None, data: Path, checker: Checker) -> Report:
    try:
        async with _database(database, data) as pool:
            with store_errors():
                newest = await heads.newest(pool)
                if newest is None:
                    return checker.report(failed="nothing is signed")
                await check_lines(checker, log_lines(pool, 0, newest.size, newest))
    except (LedgerError, EmbeddedPostgresError, asyncpg.PostgresError, OSError) as error:
        return checker.report(failed=f"the database cannot be read: {error}")
    return checker.report()


@asynccontextmanager
async def _database(url: str | None, data: Path) -> "AsyncIterator[asyncpg.Pool[Any]]":
    """Open a database, or the one in the data directory, which is started for it."""
    started = None
    if url is None:
        if not (data / POSTGRES).is_dir():
            raise OSError(f"there is no database in {data}")
        started = EmbeddedPostgres(data / POSTGRES)
        url = await started.start()
    try:
        pool = await open_pool(url, max_size=CONNECTIONS)
        try:
            yield pool
        finally:
            await pool.close()
    finally:
        if started is not None:
            await started.stop()
