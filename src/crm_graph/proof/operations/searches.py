"""Texts to look for, and the arguments of searches and lookups."""

from typing import Any

from crm_graph.catalog import EntityType, Searched, searched_fields
from crm_graph.proof.literals import Name
from crm_graph.proof.operations.drafts import Draft
from crm_graph.resolvers.search.planning import looked_up
from crm_graph.services.pinyin import readings
from crm_graph.services.search_keys import fold, squeeze


def search_arguments(draft: Draft) -> dict[str, Any]:
    """What `search` is asked."""
    arguments: dict[str, Any] = {"text": draft.either("String!", some_text(draft, None))}
    types: Any = draft.schema.type_map["SearchType"]
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
    wanted = [(e, s) for e, s in possible if e.table in draft.about]
    entity, searched = draft.random.choice(wanted if wanted and draft.chance(draft.bent) else possible)
    return {
        "value": draft.either("String!", some_text(draft, entity)),
        "type": draft.either("SearchType!", Name(entity.name.upper())),
        "field": draft.either("LookupField!", Name(searched.field.name.upper())),
    }


def wanted_values(draft: Draft, entity: EntityType) -> list[str]:
    """The values that a type is searched by and that the query is to be about."""
    return [
        v for searched in searched_fields(draft.catalog, entity) for v in _values(draft, entity, searched, wanted=True)
    ]


def _values(draft: Draft, entity: EntityType, searched: Searched, *, wanted: bool) -> list[str]:
    table = draft.catalog[searched.relation.target].table if searched.relation else entity.table
    if wanted and searched.field.name not in draft.about.get(table, ()):
        return []
    return [value for row in draft.tables[table] if (value := row.get(searched.field.name))]


def some_text(draft: Draft, entity: EntityType | None) -> str:
    """A text to look for: part of some value, its pinyin or initials, one with a letter wrong, or several words."""
    entities = [e for e in draft.catalog.roots if searched_fields(draft.catalog, e)]
    near = [e for e in entities if wanted_values(draft, e)] if draft.about else []
    entity = entity or draft.random.choice(near if near and draft.chance(draft.bent) else entities)
    wanted = wanted_values(draft, entity)
    if wanted and draft.chance(draft.bent):
        value = draft.random.choice(wanted)
        if draft.chance(0.6):
            return value[:100]
    else:
        fields = searched_fields(draft.catalog, entity)
        known = [v for searched in fields for v in _values(draft, entity, searched, wanted=False)]
        value = draft.random.choice([*known, "zhang", "wxm", "8001", "", "%", "张", "Ann Lee"])
    return _varied(draft, value)[:100]


def _varied(draft: Draft, value: str) -> str:
    """The value, or what somebody types who looks for it."""
    if not value:
        return value
    random, syllables = draft.random, readings(squeeze(fold(value)))[0]
    start, place = random.randint(0, 3), random.randrange(len(value))
    ways = (
        value[start : start + random.randint(1, 5)],
        value[-random.randint(1, 6) :],
        "".join(syllables),
        "".join(syllable[:1] for syllable in syllables),
        value[:place] + random.choice("abz1张") + value[place + random.randint(0, 1) :],
        f"{value[:4]} {random.choice(('a', '张', 'Lee', '138', value[-3:]))}",
        value,
    )
    return random.choice(ways)
