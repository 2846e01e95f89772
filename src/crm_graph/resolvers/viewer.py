"""Who asks, and what that role set may do: what a front end needs to draw its screens. Rights come from the access
alone and are part of the statement; the person, teams and roles are read, with the asker's own rights.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from crm_graph.access import EVERY_ROW, Access, Level
from crm_graph.catalog import Catalog, EntityType, Shape, writable
from crm_graph.fragments import Fragment, Viewer, param, sql, text
from crm_graph.resolvers.derived import project
from crm_graph.resolvers.json_sql import as_object
from crm_graph.resolvers.plan import Literal, Lookup, NodeList, ObjectPlan, Typename, WhoAsks
from crm_graph.resolvers.selection import TYPENAME, Selected
from crm_graph.services.nouns import DIRECTORY, NOUNS
from crm_graph.services.rights import api_paths

VIEWER = "viewer"
_VERBS = {
    "creatable": "create",
    "updatable": "update",
    "archivable": "archive",
    "restorable": "restore",
    "transitionable": "transition",
}
_WRITTEN = frozenset({*NOUNS, *DIRECTORY})
_NEVER = frozenset({"users:archive", "users:restore"})
"""Actions that no mutation has: who goes has left."""
Named = Mapping[str, "Fragment | tuple[str, Named]"]
"""What the fields of an object are; one with fields of its own stands with the name of its type."""
_ROLE: Named = {
    "key": sql("r.key"),
    "label": ("Labels", {"zh": sql("r.name_zh"), "en": sql("r.name_en")}),
}
_CLIENT: Named = {"clientId": sql("c.client_id"), "name": sql("c.name"), "source": sql("c.source")}


def plan_viewer(
    selected: Selected,
    catalog: Catalog,
    access: Access,
    objects: Callable[[EntityType, Iterable[Selected]], ObjectPlan],
) -> WhoAsks:
    """The plan of `viewer`. What of it is a record is read as such."""

    def member(child: Selected) -> Typename | Lookup | NodeList | Literal | Selected:
        match child.name:
            case "__typename":
                return Typename(child.key, "Viewer")
            case "user":
                return Lookup(child.key, objects(catalog["user"], child.only()), id=param(Viewer("id"), "uuid"))
            case "team":
                return Lookup(child.key, objects(catalog["team"], child.only()), id=param(Viewer("team_id"), "uuid"))
            case "teams":
                rows = (objects(catalog["team"], child.only()),)
                return NodeList(child.key, param(Viewer("team_ids"), "uuid[]"), rows)
            case "access":
                return Literal(
                    child.key, orjson.dumps(project(abilities(catalog, access), child.only(), "ViewerAccess"))
                )
        return child

    return WhoAsks(selected.key, tuple(member(child) for child in selected.only()))


def viewer(plan: WhoAsks, write: Callable[[Lookup | NodeList | Literal | Typename], Fragment]) -> Fragment:
    """The JSON object of who asks; records and what is known already are written by `write`."""
    return as_object([(m.key, _told(m) if isinstance(m, Selected) else write(m)) for m in plan.members])


def _told(selected: Selected) -> Fragment:
    match selected.name:
        case "locale" | "timeZone":
            return param(Viewer("locale" if selected.name == "locale" else "time_zone"), "text")
        case "client":
            return sql(
                "(SELECT {client} FROM clients AS c WHERE c.id = {id})",
                client=_object(selected.only(), "ViewerClient", _CLIENT),
                id=param(Viewer("client_id"), "uuid"),
            )
    return sql(
        "array_to_json(ARRAY(SELECT {role} FROM roles AS r WHERE r.key = ANY({keys}) ORDER BY r.key))",
        role=_object(selected.only(), "ViewerRole", _ROLE),
        keys=param(Viewer("roles"), "text[]"),
    )


def _object(selection: Iterable[Selected], type_name: str, members: Named) -> Fragment:
    def value(selected: Selected) -> Fragment:
        if selected.name == TYPENAME:
            return text(type_name)
        found = members[selected.name]
        return found if isinstance(found, Fragment) else _object(selected.only(), *found)

    return as_object([(selected.key, value(selected)) for selected in selection])


def abilities(catalog: Catalog, access: Access) -> Mapping[str, Any]:
    """What a role set may see and do, by type and field, as the API names them."""
    return {
        "actions": sorted(access.actions),
        "types": [_type(catalog, access, entity) for entity in catalog.roots if access.grants(entity.name)],
    }


def _type(catalog: Catalog, access: Access, entity: EntityType) -> Mapping[str, Any]:
    written = entity.name in _WRITTEN
    return {
        "type": entity.api_name,
        "everyRow": any(grant.scope == EVERY_ROW for grant in access.grants(entity.name)),
        **{name: written and _may(access, f"{entity.plural}:{verb}") for name, verb in _VERBS.items()},
        "fields": [*_fields(catalog, access, entity), *_records(catalog, access, entity)],
    }


def _may(access: Access, action: str) -> bool:
    return action not in _NEVER and access.may(action)


def _fields(catalog: Catalog, access: Access, entity: EntityType) -> Iterator[Mapping[str, Any]]:
    inputs = set(_inputs(catalog, access, entity))
    for path, api_path in api_paths(catalog, entity).items():
        most = access.ceiling(entity.name, path)
        if most > Level.HIDDEN:
            writes = path in inputs and access.may_write(entity.name, path)
            less = _least(access, entity, path) < most
            yield _field(api_path, most, conditional=less, writable=writes)


def _records(catalog: Catalog, access: Access, entity: EntityType) -> Iterator[Mapping[str, Any]]:
    """The to-one relations; what is seen of the record is for its own type to say."""
    parents = {relation.name for relation in catalog.parents(entity)}
    for relation in entity.relations.values():
        if relation.shape is Shape.ONE and access.grants(relation.target):
            writes = relation.name in parents and access.may_write(entity.name, relation.name)
            yield _field(relation.api_name, Level.READ, conditional=False, writable=writes and _changes(access, entity))


def _field(name: str, level: Level, *, conditional: bool, writable: bool) -> Mapping[str, Any]:
    return {"field": name, "level": level.name, "conditional": conditional, "writable": writable}


def _changes(access: Access, entity: EntityType) -> bool:
    """Whether records of a type can be made or changed at all."""
    return entity.name in _WRITTEN and any(access.may(f"{entity.plural}:{verb}") for verb in ("create", "update"))


def _least(access: Access, entity: EntityType, path: str) -> Level:
    """The least that a field shows on a record that is seen: what a grant on all records gives, or else the lowest."""
    grants = access.grants(entity.name)
    everywhere = [grant for grant in grants if grant.scope == EVERY_ROW]
    return min(grant.level(path) for grant in everywhere or grants)


def _inputs(catalog: Catalog, access: Access, entity: EntityType) -> Iterator[str]:
    """The fields that inputs have, some only for new records; refs of other systems are for the bulk upsert alone."""
    if _changes(access, entity):
        creating = access.may(f"{entity.plural}:create")
        yield from (member.name for member in writable(entity, creating=creating))
        for relation in catalog.children(entity):
            if relation.target != "external_ref":
                yield from (f"{relation.name}.{m.name}" for m in writable(catalog[relation.target], creating=True))
