"""Plans of a search over all types, and of a lookup by an exact value."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from crm_graph.access import Access, Level
from crm_graph.catalog import Catalog, EntityType, Searched, searched_fields
from crm_graph.errors import ValidationFailed
from crm_graph.fragments import Fragment
from crm_graph.models.fields import Search as How
from crm_graph.resolvers.arguments import Leaf
from crm_graph.resolvers.plan import RANK, ObjectPlan, OrderKey, Search, SearchHits, Typename, ValueLookup
from crm_graph.resolvers.selection import TYPENAME, Selected

DEFAULT_HITS = 20
EXACT = (How.NUMBER, How.PHONE, How.EMAIL)
"""What a whole value is looked up in; names are searched for."""

Objects = Callable[[Selected], tuple[ObjectPlan, ...]]
ObjectOf = Callable[[EntityType, Iterable[Selected]], ObjectPlan]


def by_relevance(entity: EntityType) -> tuple[OrderKey, ...]:
    """The likest first, of those the newest."""
    by_id = OrderKey((), entity.fields["id"], descending=True, nulls_first=False)
    return OrderKey((), RANK, descending=False, nulls_first=False), by_id


def searched_types(catalog: Catalog) -> tuple[EntityType, ...]:
    """The types that are searched."""
    return tuple(entity for entity in catalog.roots if searched_fields(catalog, entity))


def constant(name: str) -> str:
    """A name as an enum value: `wechat_id` is WECHAT_ID."""
    return name.upper()


def plan_search(selected: Selected, catalog: Catalog, access: Access, size: Fragment, objects: Objects) -> Search:
    """The plan of `search`: of the types that are named, or of all, those that the asker may see."""
    named = selected.argument("types")
    wanted = None if named is None else set(_values(named))
    types = tuple(
        entity
        for entity in searched_types(catalog)
        if access.grants(entity.name) and (wanted is None or constant(entity.name) in wanted)
    )
    parts = tuple(_part(part, types, objects) for part in selected.only())
    return Search(selected.key, selected.arguments["text"], types, size, parts)


def _values(named: Leaf | Sequence[Leaf]) -> Iterator[Any]:
    """Enum values of a list, which may be one variable or have variables in it; operations are kept by such values."""
    if isinstance(named, Leaf):
        yield from named.value if isinstance(named.value, list | tuple) else [named.value]
    else:
        yield from (leaf.value for leaf in named)


def _part(selected: Selected, types: tuple[EntityType, ...], objects: Objects) -> SearchHits | Typename:
    if selected.name == TYPENAME:
        return Typename(selected.key, "SearchResult")
    fields = selected.only()
    rows = {f.key: tuple(o for o in objects(f) if o.entity in types) for f in fields if f.name == "node"}
    return SearchHits(selected.key, tuple((f.key, f.name) for f in fields), rows)


def plan_lookup(selected: Selected, catalog: Catalog, access: Access, object_of: ObjectOf) -> ValueLookup:
    """The plan of `lookup`. A field that the asker may not look up is refused like one that never was."""
    type_, field = (selected.arguments[name].value for name in ("type", "field"))
    entity = next((e for e in searched_types(catalog) if constant(e.name) == type_ and access.grants(e.name)), None)
    fields = () if entity is None else looked_up(catalog, access, entity, field)
    if entity is None or not fields:
        raise ValidationFailed("lookup_field", path=("field",)).at(selected.key)
    row = object_of(entity, selected.children[entity.api_name])
    return ValueLookup(selected.key, row, fields, selected.arguments["value"])


def looked_up(catalog: Catalog, access: Access, entity: EntityType, field: str) -> tuple[Searched, ...]:
    """The fields that a value is looked up in: the one that is named, and for phone numbers and e-mail addresses the
    contact points too. Empty where the asker may not look it up.
    """
    fields = searched_fields(catalog, entity)
    own = [s for s in fields if s.relation is None and s.how in EXACT and constant(s.field.name) == field]
    if not own or access.ceiling(entity.name, own[0].field.name) < Level.LOOKUP:
        return ()
    points = [s for s in fields if s.how is How.CONTACT and own[0].how in (How.PHONE, How.EMAIL)]
    return (*own, *points)
