"""What the reviewer's own browser finds: proofs that hold, and a past that was changed."""

import re
from functools import partial
from typing import Any

from playwright.async_api import Page, Route, expect

from tests.browser.conftest import Open
from tests.browser.world import World

GOOD = re.compile("in the log of .* as it was recorded")
BAD = re.compile("is not what the tree says")


async def _created(here: World, name: str) -> Any:
    return (await here.caller.events(here.runs[name]["uuid"]))[0]


async def test_an_event_is_proven_in_the_browser(open_tab: Open, here: World) -> None:
    """Digest, leaf, path, root and signature are computed and hold, step by step."""
    event = await _created(here, "ok")
    async with open_tab() as tab:
        page = await tab.open(f"/ui/audit?position={event['position']}")
        await expect(page.get_by_text(GOOD)).to_be_visible()
        await expect(page.locator(".proof li.bad")).to_have_count(0)
        await expect(page.get_by_text("The head is signed by the ledger's key")).to_have_count(2)
        await page.get_by_text("Its content has the digest").click()
        await expect(page.get_by_text(event["data_digest"]).first).to_be_visible()
        await tab.keep_picture("audit-steps-1280-light")


async def test_a_changed_line_is_found(open_tab: Open, here: World) -> None:
    """A byte of data, of the entry, or of the salt changed on the way: the step that fails says so."""
    event = await _created(here, "ok")
    line = f"**/v1/events?after={event['position'] - 1}&limit=1"
    flaws = (
        ('"world"', '"worle"', "Its content has the digest"),
        (f'"actor":"{event["actor"]}"', '"actor":"nobody"', "That root is the tree head's"),
    )
    async with open_tab() as tab:
        page = await tab.open("/ui/audit")
        for told, changed, step in flaws:
            await page.route(line, partial(_change, told, changed))
            await _prove(page, event["position"])
            await expect(page.get_by_text(BAD)).to_be_visible()
            await expect(page.locator(".proof li.bad")).to_contain_text(step)
            await page.unroute(line)
        await tab.keep_picture("audit-tampered-1280-light")
        await _prove(page, event["position"])
        await expect(page.get_by_text(GOOD)).to_be_visible()


async def _change(told: str, changed: str, route: Route) -> None:
    answer = await route.fetch()
    body = await answer.text()
    assert told in body
    await route.fulfill(response=answer, body=body.replace(told, changed))


async def _prove(page: Page, what: Any) -> None:
    await page.get_by_label("Position of the event").fill(str(what))
    await page.get_by_role("button", name="Prove it").click()


async def test_a_kept_head_is_continued_or_not(open_tab: Open, here: World) -> None:
    """A head that was kept is continued by the log of later; a made-up one is not."""
    async with open_tab() as tab:
        page = await tab.open("/ui/audit")
        await page.get_by_role("button", name="Keep this head").click()
        kept = page.locator(".kept li")
        await expect(kept).to_have_count(1)
        run = await here.run("Greeting", parameters=[{"name": "who", "value": "tree"}])
        await here.until(run, "finished")
        await kept.get_by_role("button", name="Check").click()
        await expect(page.get_by_text("was changed since you kept that head")).to_be_visible()
        tree = (await here.caller.get("/v1/tree", size=5)).expect(200).json
        wrong = f"5 {'0' * 63}{'1' if tree['root'][-1] != '1' else '2'}"
        await page.get_by_text("Paste one from elsewhere").click()
        await page.get_by_label("Tree head", exact=True).fill("not a head")
        await page.get_by_role("button", name="Keep it").click()
        await expect(page.get_by_text("This is no tree head")).to_be_visible()
        await page.get_by_label("Tree head", exact=True).fill(wrong)
        await page.get_by_role("button", name="Keep it").click()
        await expect(kept).to_have_count(2)
        await kept.first.get_by_role("button", name="Check").click()
        await expect(page.get_by_text("does not continue the head you kept")).to_be_visible()
        await tab.keep_picture("audit-heads-1280-light")
        await page.reload()
        await expect(kept).to_have_count(2)


async def test_all_events_of_an_execution_are_proven(open_tab: Open, here: World) -> None:
    """An execution's events are each proven against a head that was kept before they were."""
    run = here.runs["ok-again"]
    count = len(await here.caller.events(run["uuid"]))
    async with open_tab() as tab:
        page = await tab.open("/ui/audit")
        old = (await here.caller.get("/v1/tree", size=3)).expect(200).json
        await page.get_by_text("Paste one from elsewhere").click()
        await page.get_by_label("Tree head", exact=True).fill(f"3 {old['root']}")
        await page.get_by_role("button", name="Keep it").click()
        await page.get_by_label("Against").select_option(index=1)
        await _prove(page, run["uuid"])
        await expect(page.get_by_text(f"All {count} events are in the log")).to_be_visible()
        await expect(page.get_by_text("They give back the earlier root, of size 3")).to_be_visible()
