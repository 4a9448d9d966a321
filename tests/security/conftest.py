"""Servers for the tests of security."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.serving import Server, serving


@pytest.fixture
async def server(database_url: str, tmp_path: Path) -> AsyncIterator[Server]:
    """Give a server of a database of its own, which limits nobody's rate and may send anywhere."""
    async with serving(
        database_url, tmp_path, product_live_rate_per_minute=0, webhook_private_targets=True
    ) as here:
        yield here
