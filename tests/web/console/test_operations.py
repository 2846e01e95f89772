"""Jobs and timers on the console, in a real browser: how they go, and what is done to those that failed."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from crm_graph.models.ids import EntityCode, IdSource
from web.browsing import Desk, line
from web.conftest import START, Crm

ERROR = '{"code": "INTERNAL", "kind": "KeyError", "place": "role_holders.py:1"}'


@pytest.fixture
async def failed(ruled: Crm) -> AsyncIterator[list[str]]:
    """A held job and one that waits, two held timers."""
    await ruled.database.execute(
        "INSERT INTO pgqueuer (priority, status, entrypoint, attempts, payload, headers, execute_after) VALUES"
        " (0, 'failed', 'console.broken', 12, '{}', jsonb_build_object('error', $1::text::jsonb), now()),"
        " (0, 'queued', 'console.later', 0, '{}', '{}', '2100-01-01T00:00:00Z')",
        ERROR,
    )
    ids = [IdSource().new(EntityCode.TIMER) for _ in range(2)]
    for id_, key in zip(ids, "ab", strict=True):
        await ruled.database.execute(
            "INSERT INTO timers"
            " (id, kind, entity_type, entity_id, key, due_at, wake_at, set_at, attempts, error, held_at)"
            " VALUES ($1, 'role_expiry', 'user', $2, $3, $4, $4, $4, 5, $5::text::jsonb, $4)",
            *(id_, ruled.users["wang"], key, START, ERROR),
        )
    yield [str(id_) for id_ in ids]
    await ruled.database.execute("TRUNCATE pgqueuer, pgqueuer_log; DELETE FROM timers")


async def test_an_administrator_tries_again_what_failed_and_discards_the_rest(at: Desk, failed: list[str]) -> None:
    page = await at.at("operations")
    await expect(page.get_by_role("link", name="Held: 1")).to_be_visible()
    await expect(line(page, "console.broken")).to_contain_text("INTERNAL KeyErrorrole_holders.py:1")
    kinds = page.get_by_role("region", name="Timers", exact=True)
    await expect(kinds.locator("tbody tr", has_text="End of a role")).to_contain_text("0020")

    await line(page, "console.broken").get_by_role("button", name="Try again: console.broken").press("Enter")
    await page.get_by_role("dialog").get_by_label("Reason").fill("Mended")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("console.broken: tried again now.")).to_be_visible()
    await expect(page.get_by_text("No job is held.")).to_be_visible()
    await page.get_by_role("link", name="Waiting: 1").click()
    await expect(line(page, "console.later")).to_be_visible()
    await line(page, "console.later").get_by_role("button", name="Discard: console.later").click()
    await page.get_by_role("dialog").get_by_label("Reason").fill("Of no use")
    await page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    await expect(line(page, "console.later")).to_have_count(0)

    await line(page, failed[0]).get_by_role("button", name="Discard: End of a role").click()
    await page.get_by_role("dialog").get_by_label("Reason").fill("Of no use")
    await page.get_by_role("dialog").get_by_role("button", name="Discard").click()
    await expect(line(page, failed[0])).to_have_count(0)
    await line(page, failed[1]).get_by_role("button", name="Try again: End of a role").click()
    await page.get_by_role("dialog").get_by_role("button", name="Try again").click()
    await expect(line(page, failed[1])).to_contain_text("Waiting")
    rows = await at.crm.database.fetch(
        "SELECT type, reason FROM events WHERE type ~ '^(job|timer)[.]' AND entity_type IN ('job', 'timer')"
        " ORDER BY id DESC LIMIT 4"
    )
    assert [tuple(row) for row in reversed(rows)] == [
        ("job.retried", "Mended"),
        ("job.discarded", "Of no use"),
        ("timer.discarded", "Of no use"),
        ("timer.retried", None),
    ]


async def test_operations_are_told_in_chinese_and_to_administrators_alone(at: Desk, failed: list[str]) -> None:
    page = await at.at("operations", language="zh-CN")
    await expect(page.get_by_role("heading", level=1)).to_have_text("运行")
    await expect(line(page, "console.broken")).to_contain_text("已挂起")
    await expect(page.get_by_role("button", name="放弃：角色到期")).to_have_count(2)
    page = await at.at("operations", who="mo")
    await expect(page.get_by_text("Your roles do not include this.")).to_be_visible()
    await expect(page.get_by_role("link", name="Operations")).to_have_count(0)
