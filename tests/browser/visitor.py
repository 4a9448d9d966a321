"""A visitor: a tab in Chromium, watched for everything a page must not do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Browser, ConsoleMessage, Page

SCREENSHOTS: Final = Path(__file__).parent / "screenshots"
REFUSED: Final = "Failed to load resource"
"""What Chromium writes to the console for an answer of 4xx or 5xx, and for none."""
_REPORT: Final = """addEventListener('securitypolicyviolation', (event) =>
    console.error('CSP', event.violatedDirective, event.blockedURI))"""
_OVERFLOW: Final = """() => document.documentElement.scrollWidth > document.documentElement.clientWidth
    || document.body.scrollWidth > document.body.clientWidth"""


class Visitor:
    """One tab, with what was complained about in it."""

    def __init__(self, page: Page, url: str, key: str) -> None:
        self.page = page
        self.url = url
        self.key = key
        self.complaints: list[str] = []
        self.endures: tuple[str, ...] = ()
        """Beginnings of complaints that a test provokes."""
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))

    def _listen(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def open(self, path: str) -> Page:
        """Open an address of the page, signed in."""
        await self.page.goto(f"{self.url}{path}#key={self.key}")
        return self.page

    async def has_sideways_scroll(self) -> bool:
        """Whether the page is wider than its window."""
        return bool(await self.page.evaluate(_OVERFLOW))

    async def keep_picture(self, name: str) -> None:
        """Leave a picture of the whole page for people to look at."""
        SCREENSHOTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def assert_content(self) -> None:
        """Fail if the browser complained: an error, a warning, a report of the policy."""
        left = [each for each in self.complaints if not each.startswith(self.endures or ("\0",))]
        assert left == []


@asynccontextmanager
async def visitor(
    browser: Browser, url: str, key: str, *, width: int = 1280, **context: Any
) -> AsyncIterator[Visitor]:
    """Give a tab of its own; the browser must have had nothing to complain about at the end."""
    height = 844 if width < 500 else 900
    made = await browser.new_context(
        viewport={"width": width, "height": height}, reduced_motion="reduce", **context
    )
    made.set_default_timeout(20_000)
    await made.add_init_script(_REPORT)
    here = Visitor(await made.new_page(), url, key)
    try:
        yield here
        here.assert_content()
    finally:
        await made.close()
