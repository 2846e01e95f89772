"""Random questions about rights and about what can be done: who asks, which grant decides, what an edit of a role would
do, and where a record can go.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

from graphql import GraphQLSchema, get_named_type, is_leaf_type, is_required_argument

from crm_graph.catalog import EntityType, Field, Kind
from crm_graph.models.fields import DataClass
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.proof.exits import Question, Variables
from crm_graph.proof.json_values import as_json
from crm_graph.proof.rows import Row
from crm_graph.proof.twins import Twin
from crm_graph.services.nouns import NOUNS
from crm_graph.services.rights import api_paths

EXPLAINED, REPORTED, PREVIEWED, VIEWER = "explainAccess", "accessReport", "previewGrants", "viewer"
MOVES = "availableTransitions"
_EVERY_CLASS = [{"dataClass": c.value, "level": "READ"} for c in DataClass if c is not DataClass.INTERNAL]
_PARTS = ("startsWith", "eq", "contains")


def some_questions(random: Random, twin: Twin, schema: GraphQLSchema) -> list[Question]:
    """One of each kind that the schema has."""
    root: Any = schema.query_type.fields if schema.query_type else {}
    asked = [Question(f"{{ {VIEWER} {_everything(twin, root[VIEWER].type)} }}", {})] if VIEWER in root else []
    given = {EXPLAINED: _explained, REPORTED: _reported, PREVIEWED: _previewed}
    asked += [_asked(twin, root, name, make(random, twin)) for name, make in given.items() if name in root]
    return [*asked, *some_moves(random, twin, schema)]


def some_moves(random: Random, twin: Twin, schema: GraphQLSchema) -> list[Question]:
    """Where the records of a type can go that the role sees, and what that requires."""
    types: dict[str, Any] = schema.type_map
    known = [e for e in twin.view.catalog.roots if MOVES in getattr(types.get(e.api_name), "fields", ())]
    if not known:
        return []
    differing = [entity for entity in known if any(spot.table == entity.table for spot in twin.cells)]
    entity = random.choice(differing or known)
    moves = f"{MOVES} {_everything(twin, types[entity.api_name].fields[MOVES].type)}"
    return [Question(f"{{ {entity.api_plural}(first: 6, archived: INCLUDE) {{ nodes {{ id {moves} }} }} }}", {})]


def _asked(twin: Twin, root: Any, name: str, variables: Variables) -> Question:
    arguments = root[name].args
    head = ", ".join(f"${key}: {arguments[key].type}" for key in variables)
    given = ", ".join(f"{key}: ${key}" for key in variables)
    return Question(f"query({head}) {{ {name}({given}) {_everything(twin, root[name].type)} }}", variables)


def _everything(twin: Twin, type_: Any) -> str:
    """All that can be selected of a type; of records that are further in, what they are themselves."""
    held: Any = get_named_type(type_)
    parts = []
    for name, field in held.fields.items():
        inner: Any = get_named_type(field.type)
        if any(map(is_required_argument, field.args.values())) or name == MOVES:
            continue
        if is_leaf_type(inner):
            parts.append(name)
        elif held.name not in twin.view.catalog.by_api_name and hasattr(inner, "fields"):
            parts.append(f"{name} {_everything(twin, inner)}")
    return f"{{ __typename {' '.join(parts)} }}"


def _explained(random: Random, twin: Twin) -> dict[str, Any]:
    """A field of a record, rather of one that differs, and somebody."""
    entity = _a_type(random, twin)
    ids = [str(id_) for id_ in twin.differing(entity.table)] or [str(row["id"]) for row in _rows(twin, entity)]
    asked = {"type": entity.api_name, "id": random.choice([*ids, None])}
    if random.random() < 0.8:
        asked["field"] = random.choice(list(api_paths(twin.view.catalog, entity).values()))
    if random.random() < 0.7:
        return {**asked, "role": random.choice(sorted(DEFAULT_ROLES))}
    return {**asked, "user": str(random.choice(twin.view.tables["users"])["id"])}


def _reported(random: Random, twin: Twin) -> dict[str, Any]:
    entity = _a_type(random, twin)
    return {"type": entity.api_name, "field": random.choice(list(api_paths(twin.view.catalog, entity).values()))}


def _previewed(random: Random, twin: Twin) -> dict[str, Any]:
    """A new role with a grant on some rows, rather those that have a value which differs."""
    entity = _a_type(random, twin)
    rule = random.choice(("ALL", "OWN", "WHERE", "WHERE", "WHERE", "WHERE"))
    grant: dict[str, Any] = {"type": entity.api_name, "rowRule": rule, "levels": _EVERY_CLASS}
    if rule == "WHERE":
        grant["where"] = _condition(random, twin, entity)
    users = random.sample(list(twin.view.tables["users"]), 1)
    return {"draft": {"role": "drafted", "grants": [grant], "users": [str(user["id"]) for user in users]}}


def _condition(random: Random, twin: Twin, entity: EntityType) -> dict[str, Any]:
    """A condition on a cell that differs, with a value of it in one of the databases; or on any."""
    spots = [s for s in twin.cells if s.table == entity.table and s.column in entity.fields]
    if spots:
        spot = random.choice(spots)
        member = entity.fields[spot.column]
        rows = [row for row in _rows(twin, entity) if row["id"] == spot.row]
    else:
        member = random.choice(list(entity.fields.values()))
        rows = list(_rows(twin, entity))
    values = [row[member.name] for row in rows if row[member.name] is not None]
    if not values:
        return {member.api_name: {"isNull": False}}
    return {member.api_name: _compared(random, member, random.choice(values))}


def _compared(random: Random, member: Field, value: Any) -> dict[str, Any]:
    match member.kind:
        case Kind.TEXT:
            return {random.choice(_PARTS): value}
        case Kind.ENUM | Kind.ID | Kind.INT | Kind.BOOLEAN | Kind.DATE | Kind.DATE_TIME:
            return {"eq": as_json(value)}
    return {"isNull": False}


def _a_type(random: Random, twin: Twin) -> EntityType:
    """A type of records, rather one that differs."""
    types = [twin.view.catalog[name] for name in NOUNS]
    differing = [entity for entity in types if twin.differing(entity.table)]
    return random.choice(differing if differing and random.random() < 0.8 else types)


def _rows(twin: Twin, entity: EntityType) -> Sequence[Row]:
    return [*twin.view.tables[entity.table], *twin.tables[entity.table]]
