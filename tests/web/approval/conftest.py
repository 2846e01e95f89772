"""A hub that asks for a second approver."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from crm_graph.settings import load_settings
from web.administering import done, edit, holds
from web.conftest import Crm, hub_with


@pytest.fixture(scope="package")
async def careful(ruled: Crm) -> AsyncIterator[Crm]:
    """A hub on the same database that asks for a second approver; sun is another administrator."""
    await done(ruled, "grantRole", user=str(ruled.users["sun"]), role="admin")
    settings = load_settings(**{**ruled.settings.model_dump(exclude_unset=True), "rights_approval": True})
    async with hub_with(ruled, settings) as http:
        crm = replace(ruled, http=http)
        await holds(partial(reads_roles, crm, "sun"))
        yield crm
    await done(ruled, "revokeRole", user=str(ruled.users["sun"]), role="admin")


async def reads_roles(crm: Crm, who: str) -> bool:
    return (await crm.ask(who, "{ roles { key } }")).status == 200


async def proposed(crm: Crm, name: str, /, who: str = "root", **arguments: Any) -> Any:
    """What waits in the place of an edit."""
    payload = await edit(crm, name, who, proposing=True, **arguments)
    assert payload.pop("errors") == []
    proposal = payload.pop("proposal")
    assert list(payload.values()) == [None]
    return proposal


async def listed(crm: Crm, state: str, who: str = "root") -> list[str]:
    asked = "query($s: ProposalState) { rightsProposals(state: $s) { id state } }"
    return [p["id"] for p in (await crm.ask(who, asked, {"s": state})).data["rightsProposals"]]
