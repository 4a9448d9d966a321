"""The slider over an execution's history, what each event changed, and what an erasure leaves."""

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


async def test_every_event_tells_what_it_changed(open_tab: Open, here: World) -> None:
    """All events of a history say what they changed, when asked to."""
    uuid = here.runs["ok"]["uuid"]
    count = len(await here.caller.events(uuid))
    async with open_tab() as tab:
        page = await tab.open(f"/ui/executions/{uuid}")
        await page.get_by_role("button", name="What each changed").click()
        await expect(page.locator(".changes, .detail p")).to_have_count(count)
        await expect(page.locator("li", has_text="execution.finished").last).to_contain_text(
            "ended_at"
        )


async def test_what_was_erased_is_shown_as_such(open_tab: Open, here: World) -> None:
    """An erasure is meant: its number is typed. Its content is gone, and all of it still proven."""
    run = here.runs["to-delete"]
    async with open_tab() as tab:
        page = await tab.open(f"/ui/executions/{run['uuid']}")
        await expect(page.locator(".about")).to_contain_text("world")
        await page.get_by_role("button", name="Erase").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Nobody can bring the content back")
        await dialog.get_by_label("Type").fill(str(run["number"]))
        await dialog.get_by_role("button", name="Erase it").click()
        await expect(page.get_by_text("The content of this execution was erased")).to_be_visible()
        await page.reload()
        await expect(page.get_by_text("content erased").first).to_be_visible()
        await expect(page.get_by_text("world")).to_have_count(0)
        await tab.keep_picture("execution-erased-1280-light")
        await page.goto(f"{tab.url}/ui/audit?execution={run['uuid']}")
        await expect(page.get_by_text("are in the log of")).to_be_visible()
        await expect(page.get_by_text("That is on record, and no damage")).to_be_visible()
        await tab.keep_picture("audit-erased-1280-light")
