"""What holds for every view: it fits, reads well for everybody, and the browser has no complaint."""

from typing import Final
from urllib.parse import quote

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.world import MARKUP, WIDE, World

VIEWS: Final = {
    "now": "/ui/",
    "executions": "/ui/executions",
    "execution": "/ui/executions/{ok}",
    "execution-failed": "/ui/executions/{broken}",
    "execution-open": "/ui/executions/{slow}",
    "execution-hostile": "/ui/executions/{markup}",
    "jobs": "/ui/jobs",
    "job": "/ui/jobs/Greeting",
    "job-scheduled": "/ui/jobs/Scheduled",
    "job-hostile": f"/ui/jobs/{quote(WIDE)}",
    "stream": "/ui/stream",
    "audit": "/ui/audit?position=7",
    "system": "/ui/system",
}
LOOKS: Final = ((1280, "light"), (1280, "dark"), (390, "dark"), (390, "light"))
READ: Final = ((1280, "light"), (390, "dark"))
"""The looks in which axe reads a view: both widths, both colours."""
SERIOUS: Final = ("serious", "critical")


_MARKS_OUTSIDE: Final = """(marks, place) => {
    const [mark] = marks;
    mark.textContent = '1000000 ms';
    mark.style.setProperty('--at', place);
    const [own, all] = [mark, mark.parentElement].map(each => each.getBoundingClientRect());
    return own.left < all.left - 1 || own.right > all.right + 1 ? [own, all] : [];
}"""
"""Puts the first mark at a place, and gives it with its axis if it stands out."""


async def settle(page: Page) -> None:
    """Wait until the view shows what it is about."""
    await expect(page.locator("main#view h1")).to_be_visible()
    await expect(page.locator(".notice.loading")).to_have_count(0)
    await expect(page.get_by_text("Checking …")).to_have_count(0)


@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_fits_and_can_be_read(open_tab: Open, here: World, view: str) -> None:
    """At either width, light or dark: no sideways scroll, no complaint, no serious fault by axe."""
    address = VIEWS[view].format(**{name: run["uuid"] for name, run in here.runs.items()})
    async with open_tab() as tab:
        page = await tab.open(address)
        await settle(page)
        for width, scheme in LOOKS:
            await page.set_viewport_size({"width": width, "height": 900 if width > 500 else 844})
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            assert not await tab.has_sideways_scroll(), (width, scheme)
            await tab.keep_picture(f"{view}-{width}-{scheme}")
            if (width, scheme) in READ:
                found = await Axe().run(page)
                faults = [
                    each for each in found.response["violations"] if each["impact"] in SERIOUS
                ]
                assert faults == [], found.generate_report()


async def test_marks_stay_within_the_time_axis(open_tab: Open, here: World) -> None:
    """Wherever a mark stands, also at the very end, its words do not widen a phone's page."""
    async with open_tab(width=390) as tab:
        page = await tab.open(f"/ui/executions/{here.runs['ok']['uuid']}")
        await settle(page)
        for place in ("0%", "50%", "100%"):
            outside = await page.locator(".axis span").evaluate_all(_MARKS_OUTSIDE, place)
            assert outside == [], place
            assert not await tab.has_sideways_scroll(), place


async def test_dialogs_fit_too(open_tab: Open, here: World) -> None:
    """The run form and what is said before a cancellation fit a phone, and axe finds no fault."""
    async with open_tab(width=390) as tab:
        page = await tab.open("/ui/jobs/Greeting")
        await page.get_by_role("button", name="Run", exact=True).click()
        await page.get_by_text("Name, time and input").click()
        await tab.keep_picture("dialog-run-390-light")
        assert not await tab.has_sideways_scroll()
        found = await Axe().run(page)
        assert [each["id"] for each in found.response["violations"]] == []
        await page.keyboard.press("Escape")
        await page.goto(f"{tab.url}/ui/executions/{here.runs['slow']['uuid']}")
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("dialog")).to_contain_text("cannot be resumed")
        await tab.keep_picture("dialog-cancel-390-light")
        assert not await tab.has_sideways_scroll()


async def test_text_from_jobs_never_becomes_markup(open_tab: Open, here: World) -> None:
    """Markup is shown as it was written, everywhere; text of the other direction stays in its place."""
    uuid = here.runs["markup"]["uuid"]
    async with open_tab() as tab:
        page = tab.page
        for address in (
            "/ui/",
            "/ui/executions",
            "/ui/jobs",
            "/ui/stream",
            f"/ui/executions/{uuid}",
        ):
            await tab.open(address)
            await settle(page)
            assert await page.locator("main img, main script").count() == 0
        await expect(page.get_by_text(MARKUP).first).to_be_visible()
        cells = page.locator("bdi", has_text="שלום")
        assert await cells.count() > 0
        isolated = "each => each.every(one => getComputedStyle(one).unicodeBidi === 'isolate')"
        assert await cells.evaluate_all(isolated)


async def test_long_text_is_clipped_and_can_be_seen_whole(open_tab: Open, here: World) -> None:
    """Of 10,000 characters the beginning is shown, and all of it to who asks."""
    async with open_tab(width=390) as tab:
        page = await tab.open(f"/ui/executions/{here.runs['markup']['uuid']}")
        clipped = page.locator(".pairs .clipped").first
        more, shown = clipped.get_by_role("button"), clipped.locator("bdi")
        await expect(more).to_have_text("Show all 10,000 characters")
        assert len(await shown.inner_text()) < 300
        await more.click()
        assert len(await shown.inner_text()) == 10_000
        assert not await tab.has_sideways_scroll()


async def test_everything_is_reached_by_keyboard(open_tab: Open, here: World) -> None:
    """Tab and Enter lead from the top of the page into a view, and the focus can be seen."""
    async with open_tab() as tab:
        page = await tab.open("/ui/")
        await settle(page)
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        for _ in range(3):
            await page.keyboard.press("Tab")
        link = page.get_by_role("navigation", name="Views").get_by_role("link", name="Executions")
        await expect(link).to_be_focused()
        outline = "each => getComputedStyle(each).outlineStyle"
        assert await link.evaluate(outline) == "solid"
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Executions")).to_be_visible()
        await expect(page.locator("main#view")).to_be_focused()
