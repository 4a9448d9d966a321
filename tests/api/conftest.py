"""Servers for the tests of the native API."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.serving import Server, serving


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    """Give a server of a database of its own."""
    async with serving(database_url, tmp_path) as here:
        yield here


@pytest.fixture
async def other_node(server: Server, database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    """Give a second server of the same database, as another process would be."""
    async with serving(database_url, tmp_path) as here:
        yield here
