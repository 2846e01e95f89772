"""The law for what tells more than rights: `unmask` and `checkDuplicate` give away what they are for, and no more."""

from collections.abc import Callable
from random import Random

from crm_graph.access import Level
from crm_graph.permissions.rules import ALL, OWN, GrantRule, RoleRule, grant
from crm_graph.proof.datasets import Dataset
from crm_graph.proof.declassified import told_on_purpose
from crm_graph.proof.engine import SMALL, principal_of, reading
from crm_graph.proof.exits import Question
from crm_graph.proof.rows import insert, load
from crm_graph.proof.twins import Twin
from crm_graph.proof.view import View
from reference.compiled import Compiled, access_of, catalog
from reference.policies import CLASSES

from .changes import Bench, answers

CHECKS = 12
WITHHELD = (("customers", "email"), ("customers", "phone"), ("customers", "birth_date"), ("contact_points", "raw"))
OWN_ROWS = grant(OWN, read=CLASSES)
MASKED_CELLS = grant(
    ALL, fields={"phone": Level.MASKED, "birth_date": Level.MASKED, "contact_points.raw": Level.LOOKUP}
)
GRANTS: dict[str, tuple[GrantRule, ...]] = {"lead": (OWN_ROWS,), "user": (grant(ALL, read=CLASSES),)}


async def differing(
    bench: Bench, random: Random, customers: tuple[GrantRule, ...], make: Callable[[Random, Twin], Question]
) -> list[Question]:
    """The mutations that tell twins apart though they give away the same of both."""
    access = access_of({"one": _role(customers)}, ["one"])
    async with reading(bench.connection):
        await insert(bench.connection, Dataset(random, catalog(), 5).build())
        tables = await load(bench.connection)
    who = principal_of(tables, random.choice(tables["users"])["id"], access)
    twin = Twin(random, catalog(), View(catalog(), tables, who, access), WITHHELD).grow(40)
    twin.repeat_unseen()
    asked = [make(random, twin) for _ in range(CHECKS)]
    one, other = await answers(bench, twin, [(question.text, dict(question.variables)) for question in asked])
    told = [question for question, a, b in zip(asked, one, other, strict=True) if a != b]
    return [q for q in told if not await told_on_purpose(Compiled(bench.connection, SMALL), twin, q)]


def _role(customers: tuple[GrantRule, ...]) -> RoleRule:
    grants = {**GRANTS, "customer": customers}
    return RoleRule("one", "one", "one", "", grants, frozenset({"unmask", "duplicates:check"}))
