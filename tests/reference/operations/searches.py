"""Texts to look for, and the arguments of searches and lookups."""

from typing import Any

from graphql import GraphQLEnumType

from crm_graph.catalog import EntityType, searched_fields
from crm_graph.resolvers.search.planning import looked_up
from crm_graph.services.pinyin import readings
from crm_graph.services.search_keys import fold, squeeze
from reference.literals import Name
from reference.operations.drafts import Draft


def search_arguments(draft: Draft) -> dict[str, Any]:
    """What `search` is asked."""
    arguments: dict[str, Any] = {"text": draft.either("String!", some_text(draft, None))}
    types = draft.schema.type_map["SearchType"]
    assert isinstance(types, GraphQLEnumType)
    if draft.chance(0.4):
        some = draft.random.sample(list(types.values), draft.random.randint(0, len(types.values)))
        arguments["types"] = draft.either("[SearchType!]", [Name(name) for name in some])
    if draft.chance(0.5):
        arguments["first"] = draft.either("Int", draft.random.randint(0, draft.limits.search_hits))
    return arguments


def lookup_arguments(draft: Draft) -> dict[str, Any]:
    """What `lookup` is asked, of a field that the role set may look up."""
    possible = [
        (entity, searched)
        for entity in draft.catalog.roots
        if draft.access.grants(entity.name)
        for searched in searched_fields(draft.catalog, entity)
        if looked_up(draft.catalog, draft.access, entity, searched.field.name.upper())
    ]
    entity, searched = draft.random.choice(possible)
    return {
        "value": draft.either("String!", some_text(draft, entity)),
        "type": draft.either("SearchType!", Name(entity.name.upper())),
        "field": draft.either("LookupField!", Name(searched.field.name.upper())),
    }


def some_text(draft: Draft, entity: EntityType | None) -> str:
    """A text to look for: part of some value, its pinyin or initials, one with a letter wrong, or several words."""
    entities = [e for e in draft.catalog.roots if searched_fields(draft.catalog, e)]
    entity = entity or draft.random.choice(entities)
    fields = [s for s in searched_fields(draft.catalog, entity) if s.relation is None] or [
        s for e in entities for s in searched_fields(draft.catalog, e)
    ]
    names = [s.field.name for s in fields]
    values = [v for row in draft.tables[entity.table] for n in names if (v := row.get(n))]
    value: str = draft.random.choice([*values, "zhang", "wxm", "8001", "", "%", "张", "Ann Lee"])
    match draft.random.randint(0, 6):
        case 0:
            start = draft.random.randint(0, 3)
            value = value[start : start + draft.random.randint(1, 5)]
        case 1:
            value = value[-draft.random.randint(1, 6) :]
        case 2:
            value = "".join(readings(squeeze(fold(value)))[0])
        case 3:
            value = "".join(s[:1] for s in readings(squeeze(fold(value)))[0])
        case 4 if len(value) > 2:
            place = draft.random.randrange(len(value))
            value = value[:place] + draft.random.choice("abz1张") + value[place + draft.random.randint(0, 1) :]
        case 5:
            value = f"{value[:4]} {draft.random.choice(values or ['a'])[:3]}"
    return value[:100]
