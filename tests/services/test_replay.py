"""Replaying a record's events gives its present state, for every type and every verb."""

from collections import defaultdict
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from crm_graph.permissions.effective import full_access
from reference.settings import tried

from .conftest import World
from .replaying import FOLLOWS, Doings, comparable, present, replayed, verbs_of

STEPS = 40
CHILDREN = {
    "contact_points": "contact_points",
    "addresses": "addresses",
    "lines": "contract_lines",
    "external_refs": "external_refs",
    "stage_history": "stage_changes",
}


@tried(2)
@given(seed=st.integers(0, 2**32))
async def test_events_replayed_are_the_present_state(world: World, seed: int) -> None:
    who = replace(world.people["erp"], access=full_access(world.catalog))
    doings = Doings(world, Random(seed), who)
    await doings.run(STEPS)

    checked = defaultdict[str, int](int)
    for name, ids in doings.ids.items():
        entity = world.catalog[name]
        children = {n: t for n, t in CHILDREN.items() if n in entity.relations}
        for id_ in ids:
            events = await world.events(id_)
            assert [e["entity_version"] for e in events] == list(range(1, len(events) + 1))
            state = replayed(entity, events)
            now = await present(world, entity, id_, list(children))
            known = {k: v for k, v in now.items() if k not in FOLLOWS or k in ("version", "created_at", "updated_at")}
            told = comparable(entity.table, state, children)
            assert told == comparable(entity.table, known, children), [e["type"] for e in events]
            checked[name] += 1
    assert set(checked) == set(doings.ids)
    assert doings.verbs >= {(entity, verb) for entity in doings.ids for verb in verbs_of(entity)}
