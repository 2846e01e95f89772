"""The law for whoever asks as another role: what they do not see themselves is not told, whatever that role sees."""

from dataclasses import replace
from random import Random

from crm_graph.access import Access
from crm_graph.permissions.rules import Policy
from crm_graph.permissions.simulation import SIMULATE, simulated
from crm_graph.proof.engine import SMALL
from crm_graph.proof.queries import TellTale, alike, told_apart
from crm_graph.proof.rights import granted
from crm_graph.proof.rows import Connection
from crm_graph.proof.view import View
from reference.compiled import Compiled, catalog
from reference.policies import PolicyMaker

OWN, OTHER = "own", "other"


async def told_by_simulating(
    connection: Connection, random: Random, makes: Random, attempts: int = 15
) -> list[TellTale]:
    """The queries in another role that tell two databases apart which look alike to who asks; not where the role's row
    rules match other records in them that the asker sees, which is told on purpose. `makes` makes the policy.
    """
    maker = PolicyMaker(makes, catalog())
    roles = maker.roles((OWN, OTHER))
    roles[OWN] = replace(roles[OWN], actions=roles[OWN].actions | {SIMULATE}, inherits=())
    policy = Policy(1, roles)
    own, theirs = (granted(policy, catalog(), [key]) for key in (OWN, OTHER))
    within = simulated(policy, catalog(), [OTHER], own)
    assert within is not None
    engine = Compiled(connection, SMALL)
    twin = (await alike(engine, random, within, granted=own)).grow(attempts)
    other = View(catalog(), twin.tables, twin.view.principal, own)
    if _matched(twin.view, theirs) != _matched(other, theirs):
        return []
    return await told_apart(engine, random, twin)


def _matched(view: View, theirs: Access) -> object:
    """Which of the records that the asker sees each row rule of a role matches."""
    return [
        [view.matches(grant.scope, record) for grant in theirs.grants(entity.name)]
        for entity in catalog().roots
        for record in view.records(entity)
    ]
