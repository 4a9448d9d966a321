"""Who may see and do what, and where the key is."""

import re

from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.visitor import REFUSED
from tests.browser.world import World


async def test_the_key_stays_in_the_tab(open_tab: Open, here: World) -> None:
    """A key is asked for, kept over a reload, out of the address, and not known to another tab."""
    async with open_tab() as tab:
        tab.endures = (REFUSED,)
        page = tab.page
        await page.goto(f"{tab.url}/")
        await expect(page).to_have_url(re.compile("/ui/$"))
        await page.get_by_label("Access key").fill("jl_wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_have_text("No such key.")
        await tab.keep_picture("sign-in-1280-light")
        await page.get_by_label("Access key").fill(tab.key)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Now")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="Now")).to_be_visible()
        assert await page.evaluate("document.cookie + JSON.stringify({...localStorage})") == "{}"
        other = await page.context.new_page()
        await other.goto(f"{tab.url}/ui/")
        await expect(other.get_by_label("Access key")).to_be_visible()
        await page.goto(f"{tab.url}/ui/jobs#key={tab.key}")
        await expect(page).to_have_url(f"{tab.url}/ui/jobs")
        await page.get_by_label("Signed in as").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Access key")).to_be_visible()
        assert await page.evaluate("sessionStorage.length") == 0


async def test_roles_decide_what_is_offered(open_tab: Open, here: World) -> None:
    """Who may only look is offered nothing to do, and is told where the key does not reach."""
    viewer = await here.key("viewer")
    worker = await here.key("worker")
    slow = here.runs["slow"]["uuid"]
    async with open_tab() as tab:
        page = await tab.open(f"/ui/executions/{slow}")
        await expect(page.get_by_role("button", name="Cancel")).to_be_visible()
        tab.key = viewer
        await tab.page.goto("about:blank")
        page = await tab.open(f"/ui/executions/{slow}")
        await expect(page.get_by_role("heading", name="History")).to_be_visible()
        await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        await page.goto(f"{tab.url}/ui/jobs/Greeting")
        await expect(page.get_by_role("heading", name="Last runs")).to_be_visible()
        await expect(page.get_by_role("button", name="Run", exact=True)).to_have_count(0)
        await page.goto(f"{tab.url}/ui/system")
        await expect(page.get_by_role("heading", name="Views", exact=True)).to_be_visible()
        await expect(page.get_by_role("heading", name="Keys")).to_have_count(0)
        tab.endures = (REFUSED,)
        tab.key = worker
        await tab.page.goto("about:blank")
        page = await tab.open("/ui/executions")
        await expect(page.get_by_text("Your key does not reach this")).to_be_visible()
        await tab.keep_picture("no-permission-1280-light")


async def test_a_revoked_key_leads_back_to_the_door(open_tab: Open, here: World) -> None:
    """When the key is revoked while the page is open, it asks for another one."""
    secret = await here.key("viewer")
    keys = (await here.caller.get("/v1/keys", limit=1)).expect(200).json["keys"]
    async with open_tab() as tab:
        tab.endures = (REFUSED,)
        tab.key = secret
        page = await tab.open("/ui/jobs")
        greeting = page.get_by_role("link", name="Greeting", exact=True)
        await expect(greeting).to_be_visible()
        link = await greeting.element_handle()
        assert link is not None
        (await here.caller.delete(f"/v1/keys/{keys[0]['uuid']}")).expect(204)
        # The page may ask for something by itself before the reader does; then the link is gone.
        await link.evaluate("each => each.click()")
        await expect(page.get_by_text("Your key is not valid any more.")).to_be_visible()


async def test_what_is_not_there_says_so(open_tab: Open, here: World) -> None:
    """An execution that there is not, and one that nobody may see, read the same."""
    async with open_tab() as tab:
        tab.endures = (REFUSED,)
        page = await tab.open("/ui/executions/987654321")
        await expect(page.get_by_text("There is nothing here")).to_be_visible()
