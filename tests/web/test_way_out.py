"""The commands of who runs a hub, where nobody is left who may change rights: `crm-graph rights`."""

from functools import partial

import pytest

from crm_graph import maintenance
from crm_graph.errors import RuleViolated
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import UnknownRole
from web.administering import done, grant, holds, new_role, role, roles
from web.conftest import Crm


async def test_every_built_in_role_is_reset_by_its_key(ruled: Crm) -> None:
    await done(ruled, "updateRole", key="everyone", input={"description": "All of us"})
    versions = {one["key"]: one["version"] for one in await roles(ruled, *DEFAULT_ROLES)}

    for key in DEFAULT_ROLES:
        await maintenance.reset_role(ruled.settings, key)

    after = await roles(ruled, *DEFAULT_ROLES)
    assert [one["edited"] for one in after] == [False] * len(DEFAULT_ROLES)
    assert {one["key"] for one in after if one["version"] != versions[one["key"]]} == {"everyone"}


async def test_edited_built_in_roles_are_all_reset_at_once_and_no_other_is(ruled: Crm) -> None:
    before = {key: await role(ruled, key) for key in ("everyone", "marketing", "service")}
    await done(ruled, "createRole", input=new_role("kept_as_it_is", grant("Lead")))
    await done(ruled, "updateRole", key="everyone", input={"description": "All of us"})
    await done(ruled, "updateRole", key="marketing", input={"inherits": ["kept_as_it_is"]})

    assert await maintenance.reset_roles(ruled.settings) == ["everyone", "marketing"]

    after = {key: await role(ruled, key) for key in before}
    # Whoever resets from the command line is a user from then on, and so holds the role of everyone.
    left_out = {"version": None, "edited": None, "holders": None}
    assert {k: v | left_out for k, v in after.items()} == {k: v | left_out for k, v in before.items()}
    assert [one["edited"] for one in after.values()] == [False, False, False]
    assert [g["type"] for g in (await role(ruled, "kept_as_it_is"))["grants"]] == ["Lead"]
    assert await maintenance.reset_roles(ruled.settings) == []
    await done(ruled, "removeRole", key="kept_as_it_is")


async def test_who_managed_rights_by_another_role_may_lose_that_to_the_reset_of_administrators(ruled: Crm) -> None:
    """The role that manages is taken back where `admin`, whose holder had lost it, manages again."""
    held = (await role(ruled, "admin"))["actions"]
    managing = "UPDATE roles SET actions = $1::text::jsonb, version = version + 1 WHERE key = $2"
    await ruled.database.execute(managing, '["roles:manage", "roles:assign", "roles:read"]', "marketing")
    await ruled.database.execute(managing, "[]", "admin")
    await ruled.database.execute(
        "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE key = 'marketing'",
        ruled.users["root"],
    )
    await ruled.database.execute("UPDATE policy_version SET version = version + 1")

    assert await maintenance.reset_roles(ruled.settings) == ["marketing", "admin"]

    await holds(partial(_reads_roles, ruled))
    assert (await role(ruled, "admin"))["actions"] == held
    await done(ruled, "revokeRole", user=str(ruled.users["root"]), role="marketing")


async def _reads_roles(crm: Crm) -> bool:
    return (await crm.ask("root", "{ roles { key } }")).status == 200


async def test_reset_of_a_company_s_own_role_is_refused_with_what_can_be_reset(ruled: Crm) -> None:
    await done(ruled, "createRole", input=new_role("our_own"))

    with pytest.raises(RuleViolated, match="role_not_builtin"):
        await maintenance.reset_role(ruled.settings, "our_own")
    with pytest.raises(UnknownRole, match="there is no role nobodys"):
        await maintenance.reset_role(ruled.settings, "nobodys")
    await done(ruled, "removeRole", key="our_own")
