"""What is on screen goes on by itself: a run to its end, over a server that is killed, under filters."""

import re
import signal
from pathlib import Path

import msgspec
from playwright.async_api import Browser, Page, expect

from ledger.events.definition import Definition
from tests.browser.conftest import Open
from tests.browser.visitor import REFUSED, visitor
from tests.browser.world import LASTING, REST, SAY, World
from tests.integration.worker_processes import site

KILLED = {
    "steps": [SAY, REST, {**LASTING, "step_id": "last"}],
    "policies": {"lease_s": 3, "cancel_grace_s": 3},
}
VERSIONS = "each => each.map(one => Number(one.textContent))"
POSITIONS = "each => each.map(one => Number(one.dataset.position))"


async def test_a_run_is_seen_to_its_end(open_tab: Open, here: World) -> None:
    """Started from the form, an execution is followed to its end without a reload."""
    async with open_tab() as tab:
        page = await tab.open("/ui/jobs/Greeting")
        await page.get_by_role("button", name="Run", exact=True).click()
        form = page.get_by_role("dialog")
        await form.get_by_label("who · string, required").fill("the page")
        await form.get_by_label("times · integer").fill("3")
        await form.get_by_label("loud · boolean").select_option("true")
        await form.get_by_label("extra · any").fill('{"a": [1]}')
        await form.get_by_role("button", name="Run it").click()
        await expect(page).to_have_url(re.compile("/ui/executions/"))
        await page.evaluate("window.wasHere = true")
        await expect(page.locator(".top .state")).to_have_text("ok")
        await expect(page.get_by_text("execution.finished")).to_be_visible()
        assert await page.evaluate("window.wasHere")
        uuid = page.url.rpartition("/")[2]
        view = (await here.caller.get(f"/v1/executions/{uuid}")).expect(200).json
        assert [each["value"] for each in view["parameters"]] == ["the page", 3, True, {"a": [1]}]
        seen = await page.locator(".event .version").evaluate_all(VERSIONS)
        assert seen == list(range(1, view["version"] + 1))


async def test_a_flaw_in_the_form_is_told_beside_it(open_tab: Open, here: World) -> None:
    """What is no JSON is not sent; the form stays with what was typed."""
    async with open_tab() as tab:
        page = await tab.open("/ui/jobs/Greeting")
        await page.get_by_role("button", name="Run", exact=True).click()
        form = page.get_by_role("dialog")
        await form.get_by_label("who · string, required").fill("x")
        await form.get_by_label("extra · any").fill("{")
        await form.get_by_role("button", name="Run it").click()
        await expect(form.get_by_role("alert")).to_contain_text("extra is not JSON")
        await expect(form.get_by_label("who · string, required")).to_have_value("x")


async def test_rows_change_under_filters_that_live_in_the_address(
    open_tab: Open, here: World
) -> None:
    """A filter goes into the address, is there after a reload, and its rows change by themselves."""
    async with open_tab() as tab:
        page = await tab.open("/ui/executions")
        await page.get_by_label("Job", exact=True).fill("Greeting")
        await expect(page).to_have_url(re.compile(r"job_id=Greeting"))
        await page.get_by_label("Outcome").select_option("ok")
        await expect(page).to_have_url(re.compile(r"outcome=ok"))
        await page.reload()
        await expect(page.get_by_label("Job", exact=True)).to_have_value("Greeting")
        await expect(page.get_by_label("Outcome")).to_have_value("ok")
        await expect(page.get_by_role("row", name=re.compile("Broken"))).to_have_count(0)
        run = await here.run("Greeting", parameters=[{"name": "who", "value": "rows"}])
        await expect(page.get_by_role("link", name=f"#{run['number']}")).to_be_visible()
        await page.get_by_label("Job", exact=True).fill("nothing like it")
        await expect(page.get_by_text("Nothing matches.")).to_be_visible()


async def test_what_is_open_tells_what_it_waits_for(open_tab: Open, here: World) -> None:
    """Now shows who must act next, and by when; what ends leaves the list by itself."""
    async with open_tab() as tab:
        page = await tab.open("/ui/")
        waits = page.get_by_role("row", name=re.compile(f"#{here.runs['waits']['number']}"))
        await expect(waits).to_contain_text("waits for others")
        later = page.get_by_role("row", name=re.compile(f"#{here.runs['later']['number']}"))
        await expect(later).to_contain_text("waits for time")
        run = await here.run("Slow")
        row = page.get_by_role("row", name=re.compile(f"#{run['number']}"))
        await expect(row).to_contain_text("worker-one, until")
        (await here.caller.post(f"/v1/executions/{run['uuid']}/cancel")).expect(200)
        await expect(row).to_have_count(0)


async def test_an_execution_is_controlled_from_its_page(open_tab: Open, here: World) -> None:
    """Pause, resume, cancel, restart and delete say what they will do, and do it."""
    run = await here.run("Slow")
    await here.until(run, "running")
    async with open_tab() as tab:
        page = await tab.open(f"/ui/executions/{run['uuid']}")
        state = page.locator(".top .state")
        worker = page.locator(".facts").get_by_text("worker-one")

        async def do(word: str, says: str, verb: str) -> None:
            await page.get_by_role("button", name=word, exact=True).click()
            await expect(page.get_by_role("dialog")).to_contain_text(says)
            await page.get_by_role("dialog").get_by_role("button", name=verb).click()
            await expect(page.get_by_role("dialog")).to_have_count(0)

        await do("Pause", "What was done stays done", "Pause it")
        await expect(state).to_have_text("paused")
        await do("Resume", "goes on from the first step", "Resume it")
        await expect(worker).to_be_visible()
        await do("Cancel", "has a limited time", "Cancel it")
        await expect(state).to_have_text("aborted")
        first = page.url
        await do("Restart", "A new execution is made", "Restart it")
        await expect(page).not_to_have_url(first)
        await expect(page.get_by_text("Restarts")).to_be_visible()
        await expect(worker).to_be_visible()
        await do("Cancel", "cannot be resumed", "Cancel it")
        await expect(state).to_have_text("aborted")
        await do("Delete", "Its events stay in the log", "Delete it")
        await expect(page.get_by_text("Only auditors see it")).to_be_visible()


async def test_a_killed_server_leaves_no_hole(browser: Browser, tmp_path: Path) -> None:
    """The server is killed under open views and comes back: they go on, each event once."""
    definition = msgspec.convert(KILLED, Definition)
    async with (
        site(tmp_path) as made,
        visitor(browser, made.url, made.key) as execution,
        visitor(browser, made.url, made.key) as stream,
    ):
        await made.worker("worker-one")
        view = await made.run("Slow", definition)
        for tab in (execution, stream):
            tab.endures = (REFUSED,)
        page = await execution.open(f"/ui/executions/{view.uuid}")
        tail = await stream.open("/ui/stream")
        await expect(page.get_by_text("step 3", exact=True)).to_be_visible()
        made.server.signal(signal.SIGKILL)
        await made.server.process.wait()
        for tab in (execution, stream):
            await expect(tab.page.get_by_text("The connection is lost.")).to_be_visible()
        await execution.keep_picture("lost-connection-1280-light")
        await made.serve()
        for tab in (execution, stream):
            await expect(tab.page.get_by_text("The connection is lost.")).to_be_hidden()
        await made.ledger.executions.cancel(view.uuid)
        await expect(page.locator(".top .state")).to_have_text("aborted")
        events = await made.events(await made.until_closed(view))
        seen = await page.locator(".event .version").evaluate_all(VERSIONS)
        assert seen == list(range(1, len(events) + 1))
        await _shows_through(tail, events[-1].position)
        shown = await tail.locator(".tail > li[data-position]").evaluate_all(POSITIONS)
        assert shown == list(range(shown[0], shown[-1] - 1, -1))
        assert len(shown) > len(events)


async def _shows_through(page: Page, position: int) -> None:
    row = page.locator(f".tail > li[data-position='{position}']")
    await expect(row).to_have_count(1)
