"""Two who edit and approve are left, and whoever runs the hub has the way out."""

from functools import partial

import pytest

from crm_graph import maintenance
from crm_graph.hub import open_hub
from web.administering import done, edit, holds, refusals, role
from web.conftest import Crm

from .conftest import reads_roles


async def test_two_who_approve_are_left(careful: Crm, ruled: Crm) -> None:
    """Without the rule, one of two suspends the other, and nobody approves what would bring them back."""
    sun, admin = str(careful.users["sun"]), await role(careful, "admin")
    stays = [("RULE_VIOLATED", "")]

    assert await refusals(careful, "suspendUser", user=sun) == stays
    assert await refusals(careful, "revokeRole", user=sun, role="admin") == stays
    less = {"actions": [action for action in admin["actions"] if action != "roles:approve"]}
    lessened = await edit(careful, "updateRole", proposing=True, key="admin", input=less)
    assert [error["code"] for error in lessened["errors"]] == ["RULE_VIOLATED"]
    await done(ruled, "grantRole", user=str(careful.users["zhou"]), role="admin")
    assert (await done(careful, "suspendUser", user=sun))["status"] == "SUSPENDED"
    await done(ruled, "reinstateUser", user=sun)
    await done(ruled, "revokeRole", user=str(careful.users["zhou"]), role="admin")
    await holds(partial(reads_roles, careful, "sun"))


async def test_whoever_runs_the_hub_finds_the_way_out(careful: Crm, ruled: Crm) -> None:
    """One of the last two is suspended from the command line, somebody else appointed, and all is as it was again."""
    sun, li = careful.users["sun"], careful.users["li"]
    asking = careful.settings.model_copy(update={"rights_approval": True})
    status = "SELECT status FROM users WHERE id = $1"
    held = "user_roles h JOIN roles r ON r.id = h.role_id WHERE h.user_id = $1 AND r.key = 'admin'"

    await maintenance.suspend(asking, "sun")
    await careful.suspended(str(sun))
    assert await careful.database.fetchval(status, sun) == "SUSPENDED"
    await maintenance.grant_role(asking, "li", "admin")
    assert await careful.count(held, li) == 1
    await maintenance.reinstate(asking, "sun")
    assert await careful.database.fetchval(status, sun) == "ACTIVE"
    await careful.suspended(str(sun))
    await done(ruled, "revokeRole", user=str(li), role="admin")
    await holds(partial(reads_roles, careful, "sun"))
    with pytest.raises(maintenance.NoSuchUser, match="there is no user nobody_at_all"):
        await maintenance.suspend(asking, "nobody_at_all")


async def test_start_tells_of_too_few_who_approve_and_of_none_who_is_asked_for(careful: Crm, ruled: Crm) -> None:
    asking = careful.settings.model_copy(update={"rights_approval": True})
    async with open_hub(asking) as hub:
        assert list(await maintenance.warnings_of_rights(hub)) == []
        await done(ruled, "revokeRole", user=str(ruled.users["sun"]), role="admin")
        assert list(await maintenance.warnings_of_rights(hub)) == ["rights_need_second_approver"]
        await done(ruled, "grantRole", user=str(ruled.users["sun"]), role="admin")
    async with open_hub(careful.settings.model_copy(update={"rights_approval": False})) as hub:
        assert list(await maintenance.warnings_of_rights(hub)) == ["rights_need_one_administrator"]
    await holds(partial(reads_roles, careful, "sun"))
