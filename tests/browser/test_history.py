"""The slider over an execution's history, and what each event changed."""

from typing import Any

from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.world import World


async def test_the_slider_shows_the_states_that_were(open_tab: Open, here: World) -> None:
    """At its creation, in its second step and at its end an execution is shown as it was then."""
    uuid = here.runs["ok"]["uuid"]
    events = await here.caller.events(uuid)

    def version_of(kind: str, **data: Any) -> int:
        return next(
            int(each["version"])
            for each in events
            if each["type"] == kind and data.items() <= each["data"].items()
        )

    async with open_tab() as tab:
        page = await tab.open(f"/ui/executions/{uuid}")
        slider = page.get_by_role("slider", name="State as of event")
        state = page.locator(".top .state")
        steps = page.locator(".about .steps li .state")
        await expect(state).to_have_text("ok")
        await slider.fill("1")
        await expect(state).to_have_text("needs a worker")
        await expect(steps).to_have_text(["pending"] * 3)
        await expect(page.get_by_text("not how it is now")).to_be_visible()
        await expect(page.get_by_role("button", name="Delete")).to_have_count(0)
        await slider.fill(str(version_of("step.started", index=2)))
        await expect(state).to_have_text("running")
        await expect(steps).to_have_text(["ok", "running", "pending"])
        changes = page.locator(".changes")
        await expect(changes).to_contain_text("steps[2].status")
        await expect(changes).to_contain_text("running")
        await tab.keep_picture("execution-as-of-1280-light")
        await slider.press("End")
        await expect(state).to_have_text("ok")
        await expect(steps).to_have_text(["ok"] * 3)
        await page.get_by_role("button", name="Now", exact=True).click()
        await expect(page.get_by_text("not how it is now")).to_be_hidden()


async def test_a_point_of_history_has_an_address(open_tab: Open, here: World) -> None:
    """The event that is looked at stands in the address, and is looked at when that is opened."""
    uuid = here.runs["ok"]["uuid"]
    event = (await here.caller.events(uuid))[1]
    async with open_tab() as tab:
        page = await tab.open(f"/ui/executions/{uuid}?at={event['position']}")
        await expect(page.locator(".top .state")).to_have_text("running")
        await page.get_by_role("button", name="One event earlier").click()
        await expect(page.locator(".top .state")).to_have_text("needs a worker")
        await page.get_by_role("button", name="execution.finished").click()
        await expect(page.locator(".top .state")).to_have_text("ok")
        await expect(page.locator(".changes")).to_contain_text("outcome")
