"""A story: an admin makes a role for interns, looks what it would do, gives it, and two processes obey."""

from functools import partial

from crm_graph.models.ids import EntityCode, IdSource
from web.administering import done, grant, holds, new_role
from web.conftest import Crm
from web.test_grant_previews import preview

CUSTOMERS = "{ customers { totalCount nodes { name city } } }"


async def _answered(crm: Crm, document: str) -> bool:
    return (await crm.ask("yan", document)).status == 200


async def test_intern_sees_the_names_of_one_city_and_nothing_else(ruled: Crm, elsewhere: Crm) -> None:
    ruled.users["yan"] = IdSource().new(EntityCode.USER)
    await ruled.database.execute(
        "INSERT INTO users (id, kind, username, name, created_at, updated_at)"
        " VALUES ($1, 'PERSON', 'yan', 'Yan', now(), now())",
        ruled.users["yan"],
    )
    for name, city in (("湖州一", "湖州"), ("湖州二", "湖州"), ("丽水一", "丽水")):
        await ruled.make("sun", "customer", kind="PERSON", name=name, city=city, phone="13800138444")
    for crm in (ruled, elsewhere):
        assert not await _answered(crm, CUSTOMERS)
    shown = [{"field": name, "level": "READ"} for name in ("name", "city")]
    huzhou = grant(row_rule="WHERE", where={"city": {"eq": "湖州"}}, fields=shown)

    in_use = await ruled.count("customers WHERE archived_at IS NULL")
    told = await preview(ruled, role="intern", grants=[huzhou], users=[str(ruled.users["yan"])])
    assert told["summary"] == [f"1 user will gain city, name on some of {in_use:,} customers."]
    await done(ruled, "createRole", input=new_role("intern", huzhou))
    await done(ruled, "grantRole", user=str(ruled.users["yan"]), role="intern")

    for crm in (ruled, elsewhere):
        await holds(partial(_answered, crm, CUSTOMERS))
        assert (await crm.ask("yan", CUSTOMERS)).data["customers"] == {
            "totalCount": 2,
            "nodes": [{"name": "湖州二", "city": "湖州"}, {"name": "湖州一", "city": "湖州"}],
        }
        for beyond in (
            "{ customers { nodes { phone } } }",
            '{ customers(where: { phone: { startsWith: "+86" } }) { nodes { name } } }',
            "{ customers { nodes { contracts { nodes { number } } } } }",
            "{ leads { nodes { name } } }",
        ):
            assert not await _answered(crm, beyond)
