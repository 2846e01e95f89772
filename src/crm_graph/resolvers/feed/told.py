"""What an event tells in the feed: which members of its record it changed, of those that the reader reads on it now,
and what kind of change it was.

The rules are those of histories (`history/told.py`). Here thousands of events are asked at once: only names are made,
and rights that hold for every record cost nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crm_graph.access import Level
from crm_graph.catalog import EntityType, Relation, Shape
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.rows import Row, own_row
from crm_graph.fragments import FALSE, TRUE, Fragment, all_of, any_of, join, name, sql, text

SIDES = (sql("e.before"), sql("e.after"))


@dataclass(frozen=True, slots=True)
class Member:
    """What an event `e` may have changed: its key in the log, its name in the API, when something of that is told, and
    when all of it is.
    """

    key: str
    api_name: str
    some: Fragment
    whole: Fragment


def members(row: Row, compiler: Compiler) -> tuple[Member, ...]:
    """Everything that events of a record speak of, in the order of its names."""
    return tuple(sorted(_members(row.entity, row, compiler), key=lambda member: member.api_name))


def _members(entity: EntityType, row: Row, compiler: Compiler) -> Iterator[Member]:
    for field in entity.fields.values():
        readable = compiler.cell(row, field, Level.READ)
        yield Member(field.name, field.api_name, readable, readable)
    for relation in entity.relations.values():
        target = compiler.catalog[relation.target]
        if relation.shape is Shape.ONE and relation.local != "id":
            yield _other(relation, own_row(target, compiler.alias()), compiler)
        elif target.is_child:
            yield _children(relation, row.child(relation, target, row.alias), compiler)


def _other(relation: Relation, other: Row, compiler: Compiler) -> Member:
    """A record leads to another one only where that one exists for the reader: from none to none is no change."""
    visible = compiler.visible(other)
    if visible in (TRUE, FALSE):
        return Member(relation.local, relation.api_name, visible, visible)

    def seen(image: Fragment) -> Fragment:
        return sql(
            "EXISTS (SELECT 1 FROM {table} AS {a} WHERE {a}.{remote} = ({image} ->> {key})::uuid AND {visible}"
            " OFFSET 0)",
            table=name(other.entity.table),
            a=name(other.alias),
            remote=name(relation.remote),
            image=image,
            key=text(relation.local),
            visible=visible,
        )

    none = [sql("{image} ->> {key} IS NULL", image=image, key=text(relation.local)) for image in SIDES]
    whole = all_of(any_of([nothing, seen(image)]) for nothing, image in zip(none, SIDES, strict=True))
    return Member(relation.local, relation.api_name, any_of(seen(image) for image in SIDES), whole)


def _children(relation: Relation, child: Row, compiler: Compiler) -> Member:
    """What belongs to a record is told cell by cell."""
    shown = compiler.visible(child)
    cells = [(f.name, compiler.cell(child, f, Level.READ)) for f in child.entity.fields.values()]
    whole = all_of([shown, *dict.fromkeys(condition for _, condition in cells)])
    if whole == TRUE or all(condition == FALSE for _, condition in cells):
        return Member(relation.name, relation.api_name, whole, whole)
    hidden = [sql("CASE WHEN {c} THEN NULL ELSE {k} END", c=c, k=text(key)) for key, c in cells if c != TRUE]
    left = (
        sql(
            "(SELECT jsonb_agg(i - array_remove(ARRAY[{hidden}]::text[], NULL)) FROM jsonb_array_elements("
            "{image} -> {key}) AS i)",
            hidden=join(", ", hidden),
            image=image,
            key=text(relation.name),
        )
        for image in SIDES
    )
    differs = sql("{before} IS DISTINCT FROM {after}", **dict(zip(("before", "after"), left, strict=True)))
    return Member(relation.name, relation.api_name, all_of([shown, differs]), whole)


def touches(told: Iterable[Member]) -> Fragment:
    """Whether an event tells of any change."""
    certain = [member.key for member in told if member.some == TRUE]
    terms = [sql("e.changed ?| {keys}", keys=_keys(certain))] if certain else []
    by_condition: dict[Fragment, list[str]] = {}
    for member in told:
        by_condition.setdefault(member.some, []).append(member.key)
    terms += [
        sql("(CASE WHEN e.changed ?| {keys} THEN {some} END)", keys=_keys(keys), some=some)
        for some, keys in by_condition.items()
        if some not in (TRUE, FALSE)
    ]
    return any_of(terms)


def changed(told: Iterable[Member]) -> Fragment:
    """The names of what is told, as a JSON array."""
    entries = [
        sql(
            "CASE WHEN e.changed ? {key} THEN {name} END",
            key=text(member.key),
            name=text(member.api_name)
            if member.some == TRUE
            else sql("CASE WHEN {some} THEN {name} END", some=member.some, name=text(member.api_name)),
        )
        for member in told
        if member.some != FALSE
    ]
    return sql("array_to_json(array_remove(ARRAY[{entries}]::text[], NULL))", entries=join(", ", entries))


def told_type(entity: EntityType, told: Iterable[Member]) -> Fragment:
    """The type of an event. Where the reader is not told all that it changed, it is an update: who is told that
    somebody was assigned knows that an owner has changed.
    """
    by_condition: dict[Fragment, list[str]] = {}
    for member in told:
        by_condition.setdefault(member.whole, []).append(member.key)
    known = [
        _keys(keys) if whole == TRUE else sql("CASE WHEN {c} THEN {k} END", c=whole, k=_keys(keys))
        for whole, keys in by_condition.items()
        if whole != FALSE
    ]
    complete = sql("e.changed - ({keys}) = '[]'", keys=join(" || ", known)) if known else FALSE
    return sql(
        "CASE WHEN e.entity_version = 1 THEN {created} WHEN {complete} THEN e.type ELSE {updated} END",
        created=text(f"{entity.name}.created"),
        complete=complete,
        updated=text(f"{entity.name}.updated"),
    )


def _keys(keys: Iterable[str]) -> Fragment:
    return sql("ARRAY[{keys}]::text[]", keys=join(", ", [text(key) for key in sorted(keys)]))
