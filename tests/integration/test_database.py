"""The database that the fixtures hand out."""

import asyncpg


async def test_a_test_has_a_database_of_its_own(
    database_url: str, module_database_url: str
) -> None:
    """What one test writes, no other sees."""
    assert database_url != module_database_url
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("CREATE TABLE only_here ()")
    finally:
        await connection.close()


async def test_the_next_test_starts_afresh(database_url: str) -> None:
    """A database holds the migrations' tables and nothing of another test."""
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT to_regclass('only_here')") is None
    finally:
        await connection.close()
