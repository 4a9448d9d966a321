"""What the page tells of the ledger itself, and what an administrator does there."""

import re

from playwright.async_api import expect

from tests.browser.conftest import Open
from tests.browser.world import World


async def test_the_ledgers_own_parts_are_shown(open_tab: Open, here: World) -> None:
    """Views with their lag, who holds work, who follows the log, and what webhooks were sent."""
    async with open_tab() as tab:
        page = await tab.open("/ui/system")
        views = page.get_by_role("region", name="Views")
        await expect(views.get_by_role("row", name=re.compile("^tree"))).to_contain_text(
            "up to date"
        )
        workers = page.get_by_role("region", name="Workers")
        await expect(workers.get_by_text("worker-one").first).to_be_visible()
        consumers = page.get_by_role("region", name="Consumers")
        await expect(consumers).to_contain_text("execution.finished")
        await page.get_by_role("button", name="Deliveries of nowhere").click()
        await expect(page.get_by_role("dialog")).to_contain_text("webhook.test")
        await tab.keep_picture("system-deliveries-1280-light")
        await page.get_by_role("button", name="Leave it").click()


async def test_a_view_is_rebuilt_and_seen_to_be(open_tab: Open, here: World) -> None:
    """A rebuild says what it does, and its end is seen without a reload."""
    async with open_tab() as tab:
        page = await tab.open("/ui/system")
        await page.get_by_role("button", name="Rebuild rates").click()
        await expect(page.get_by_role("dialog")).to_contain_text("which goes on answering")
        await page.get_by_role("button", name="Rebuild it").click()
        row = page.get_by_role("row", name=re.compile("^rates"))
        await expect(row.get_by_role("button", name="Rebuild rates")).to_be_visible()
        await expect(row).to_contain_text("up to date")


async def test_a_key_is_made_and_revoked(open_tab: Open, here: World) -> None:
    """The secret is shown once; the key works until it is revoked."""
    async with open_tab() as tab:
        page = await tab.open("/ui/system")
        await page.get_by_role("button", name="Make a key").click()
        form = page.get_by_role("dialog")
        await form.get_by_label("Name", exact=True).fill("for a test")
        await form.get_by_label("viewer").check()
        await form.get_by_role("button", name="Make it").click()
        secret = await form.locator("code.whole").inner_text()
        await form.get_by_role("button", name="I have it").click()
        (await here.caller.under(secret).get("/v1/me")).expect(200)
        await page.get_by_role("button", name="Revoke the key for a test").click()
        await page.get_by_role("dialog").get_by_role("button", name="Revoke it").click()
        await expect(page.get_by_role("row", name=re.compile("for a test"))).to_contain_text(
            "revoked"
        )
        (await here.caller.under(secret).get("/v1/me")).problem(401)
