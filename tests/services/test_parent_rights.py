"""Parents of records in services, where no schema stands before them: written like fields of the class BASIC."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from crm_graph.access import Level
from crm_graph.catalog import build_catalog
from crm_graph.errors import CrmError
from crm_graph.models.fields import DataClass
from crm_graph.models.roles import RowRule
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import ALL, Policy, RoleRule, grant
from crm_graph.permissions.validation import problems_of
from crm_graph.services import contracts, customers
from crm_graph.services.commands import Create, ParentKey, Refused, Update

from .conftest import World


async def contract(world: World) -> tuple[UUID, UUID]:
    """A contract of Li's and its customer."""
    async with world.begin("li") as tx:
        (customer,) = await customers.create(tx, [Create({"kind": "PERSON", "name": "张伟"})])
        assert customer.id is not None
        (made,) = await contracts.create(tx, [Create({"title": "采购合同"}, {"customer": customer.id})])
    assert made.id is not None
    return made.id, customer.id


async def refusal(world: World, name: str, id_: UUID, parents: Mapping[str, ParentKey]) -> list[CrmError]:
    with pytest.raises(Refused) as refused:
        async with world.begin(name) as tx:
            await contracts.update(tx, [Update(id_, parents=parents)])
    return list(refused.value.errors)


@pytest.mark.parametrize("key", ["customer", "opportunity", "neverWas"])
async def test_who_writes_figures_alone_knows_no_parent(world: World, key: str) -> None:
    id_, _ = await contract(world)

    (error,) = await refusal(world, "finance", id_, {key: None})

    assert (error.code, error.template_key, error.path) == ("INVALID", "unknown_field", (key,))


async def test_parent_of_a_type_without_grants_is_unknown(world: World) -> None:
    """The ERP's grant on a contract that it knows writes BASIC; opportunities do not exist for it."""
    id_, customer_id = await contract(world)
    writer = world.grant("contract", RowRule.ALL, {}, ["title", "customer", "opportunity"], Level.READ)
    erp = world.with_grants("erp", "contract", [writer])

    with pytest.raises(Refused) as refused:
        async with world.begin_as(erp) as tx:
            await contracts.update(tx, [Update(id_, parents={"opportunity": None})])
    async with world.begin_as(erp) as tx:
        (same,) = await contracts.update(tx, [Update(id_, parents={"customer": customer_id})])

    assert [(e.code, e.path) for e in refused.value.errors] == [("INVALID", ("opportunity",))]
    assert same.result == "UNCHANGED"


def test_parents_are_written_with_basic_and_by_name() -> None:
    catalog = build_catalog()
    rules = {
        "basic": grant(ALL, read=[DataClass.BASIC], writes=["BASIC"]),
        "without": grant(ALL, read=[DataClass.BASIC], writes=["BASIC", "except:opportunity"]),
        "alone": grant(ALL, read=[DataClass.BASIC], writes=["field:customer"]),
        "amounts": grant(ALL, read=[DataClass.BASIC, DataClass.AMOUNT], writes=["AMOUNT"]),
    }
    roles = {key: RoleRule(key, key, key, key, {"contract": (rule,)}) for key, rule in rules.items()}
    access = {key: effective_access(Policy(1, roles), catalog, [key]) for key in roles}
    parents = ("customer", "opportunity", "owner", "team", "stage")

    assert problems_of(roles, catalog) == []
    assert {key: [p for p in parents if a.may_write("contract", p)] for key, a in access.items()} == {
        "basic": ["customer", "opportunity"],
        "without": ["customer"],
        "alone": ["customer"],
        "amounts": [],
    }


def test_only_finance_of_the_default_writers_sets_no_parent() -> None:
    catalog = build_catalog()
    policy = Policy(1, DEFAULT_ROLES)
    writers = {key for key in DEFAULT_ROLES if effective_access(policy, catalog, [key]).may_write("customer", "parent")}

    assert writers == {"sales", "sales_manager", "crm_manager", "erp", "commerce"}
