"""A browser, and a ledger with things to look at, shared by the tests of this folder."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser.visitor import Visitor, visitor
from tests.browser.world import World, world
from tests.integration.worker_processes import site

CHROMIUM = os.environ.get("CHROMIUM", "chromium")
ARGUMENTS = (
    "--no-sandbox",  # as root there is none to be had
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Open = Callable[..., AbstractAsyncContextManager[Visitor]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let all tests of this folder share the loop that the browser lives in."""
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker(pytest.mark.timeout(120))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Start Chromium."""
    expect.set_options(timeout=20_000)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(ARGUMENTS), headless=True
        )
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Give a ledger with a server, a worker, jobs, and executions in every state."""
    data: Path = tmp_path_factory.mktemp("world")
    async with site(data) as made, world(made) as filled:
        yield filled


@pytest.fixture
def open_tab(browser: Browser, here: World) -> Open:
    """Open tabs on that ledger, signed in with every right."""
    return partial(visitor, browser, here.site.url, here.site.key)
