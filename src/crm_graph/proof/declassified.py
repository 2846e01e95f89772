"""What answers may tell beyond what their asker sees, naively: the lines of `permissions/declassifications.py` that
depend on records, each as the bits it gives away. Databases that differ in these may be told apart.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

from graphql import FieldNode, OperationDefinitionNode, parse

from crm_graph.access import Level
from crm_graph.catalog import EntityType
from crm_graph.errors import CrmError
from crm_graph.models.fields import Search
from crm_graph.proof.engine import Engine
from crm_graph.proof.exits import Exit, Question, Variables, over
from crm_graph.proof.json_values import as_json
from crm_graph.proof.lookups import exact, folded, squeezed, whole_number, with_value
from crm_graph.proof.operations.changes import mutation_of
from crm_graph.proof.questions import explained, previewed, reported
from crm_graph.proof.rows import Row, load
from crm_graph.proof.twins import Twin
from crm_graph.proof.view import Record, View, stored
from crm_graph.resolvers.lookups import LookupSite
from crm_graph.services.nouns import NOUNS
from crm_graph.services.rights import api_paths

CHECKED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "phone": ("phone", ("phone",)),
    "email": ("email", ("email",)),
    "companyName": ("name", ("company_name",)),
    "registrationNumber": ("registration_number", ()),
}
"""What duplicates are looked for by: the column of a customer, and those of a lead."""


async def told_on_purpose(engine: Engine, twin: Twin, question: Question) -> bool:
    """Whether a question gives something away on purpose that is not the same in both databases."""
    one = twin.view
    other = View(engine.catalog, twin.tables, one.principal, one.access)
    if question.exit is Exit.QUERY and about_rights(engine, question, one) != about_rights(engine, question, other):
        return True
    if question.exit in (Exit.QUERY, Exit.EXPORT):
        sites = await _lookups(engine, one, question)
        return any(found_by(one, s, question.variables) != found_by(other, s, question.variables) for s in sites)
    if question.exit is Exit.MUTATION:
        name = _field(question.text)
        return bits_of(name, question.variables, one) != bits_of(name, question.variables, other)
    return False


async def gained(engine: Engine, twin: Twin, question: Question) -> bool:
    """Whether a change lets its asker see more of what differs, in either database: a row rule that it meets shows it
    from then on, in the payload too.
    """
    for tables in (twin.view.tables, twin.tables):
        async with over(engine, tables):
            try:
                await engine.changed(twin.view.principal, question.text, question.variables)
            except CrmError:
                continue
            after = await load(engine.connection)
        one = twin.view
        views = [View(engine.catalog, rows, one.principal, one.access) for rows in (tables, after)]
        if any(_sees_more(twin, entity, *views) for entity in engine.catalog.roots):
            return True
    return False


def _sees_more(twin: Twin, entity: EntityType, before: View, after: View) -> bool:
    differing = set(twin.differing(entity.table))
    for relation in after.catalog.children(entity):
        child = after.catalog[relation.target].table
        near = set(twin.differing(child))
        differing |= {r[relation.remote] for view in (before, after) for r in view.tables[child] if r["id"] in near}
    known = {row["id"]: Record(entity, row, entity, row) for row in before.tables[entity.table]}
    access = after.access
    paths = {path for grant in access.grants(entity.name) for path in grant.levels} if access else set()
    for record in after.records(entity):
        was = known.get(record.row["id"])
        if was is None:
            continue
        shown = record.row["id"] in differing and any(after.level(record, p) > before.level(was, p) for p in paths)
        if shown or not before.exists(was):
            return True
    return False


def about_rights(engine: Engine, question: Question, view: View) -> object:
    """What a question about rights gives away, or one after the moves that records can make."""
    for name, told in (("explainAccess", explained), ("accessReport", reported), ("previewGrants", previewed)):
        if name in question.text:
            return told(engine.policy, view, question.variables)
    if "availableTransitions" not in question.text:
        return None
    types = (entity for entity in view.catalog.roots if entity.workflow)
    movable = [record for entity in types for record in view.records(entity)]
    return [(r.row["id"], requirements_met(view, r), _beside(view, r.row["stage_id"])) for r in movable]


def _beside(view: View, stage: UUID) -> list[tuple[str, str]]:
    """What the stages of a stage's pipeline are called."""
    stages = view.tables["stages"]
    pipelines = {s["pipeline_id"] for s in stages if s["id"] == stage}
    return sorted((s["key"], s["name"]) for s in stages if s["pipeline_id"] in pipelines)


async def _lookups(engine: Engine, view: View, question: Question) -> Collection[LookupSite]:
    if question.exit is not Exit.QUERY:
        return ()
    access = view.principal.access
    document = await engine.operations.document(question.text, access)
    prepared = await engine.operations.prepare(document, document.operation(None), question.variables, access)
    return prepared.lookups


def found_by(view: View, lookup: LookupSite, variables: Variables) -> set[tuple[UUID, str]]:
    """What a lookup gives away: which records of those that its asker sees have which of the values."""
    records = list(view.records(lookup.entity))
    values = lookup.values(variables)
    if lookup.searched:
        field = lookup.field.name.upper()
        return {(r.row["id"], v) for v in values for r in with_value(view, records, field, v)}
    return {(r.row["id"], v) for v in values for r in records if view.has(r, lookup.field, v)}


def _field(text: str) -> str:
    (operation,) = (d for d in parse(text).definitions if isinstance(d, OperationDefinitionNode))
    (field,) = (s for s in operation.selection_set.selections if isinstance(s, FieldNode))
    return field.name.value


def bits_of(name: str, variables: Variables, view: View) -> object:
    """What a mutation gives away of a database."""
    match name:
        case "checkDuplicate":
            return owners_of_unseen(view, variables["i"])
        case "unmask":
            return [in_full(view, UUID(id_), variables["fields"]) for id_ in variables["ids"]]
    entity = next((view.catalog[n] for n in NOUNS if name in _names(view.catalog[n])), None)
    return None if entity is None else list(_written(view, entity, variables))


def _names(entity: EntityType) -> set[str]:
    return {mutation_of(entity, verb) for verb in ("update", "transition", "upsert")}


def _written(view: View, entity: EntityType, variables: Variables) -> Iterator[object]:
    """Whether what is written over withheld values is what stands there, and which withheld requirements are met."""
    items = variables.get("items", ())
    for record in view.records(entity):
        inputs = [variables[key] for key in ("input", "fields") if key in variables]
        if variables.get("id") not in (None, str(record.row["id"])):
            continue
        for given in (*inputs, *items):
            for member in entity.fields.values():
                if member.api_name in given and view.level(record, member.name) is not Level.READ:
                    yield record.row["id"], member.name, as_json(stored(record, member)) == given[member.api_name]
            for relation in view.catalog.children(entity):
                if relation.api_name in given:
                    yield record.row["id"], relation.name, _children(view, record, relation.name)
        if "to" in variables:
            yield record.row["id"], requirements_met(view, record)


def _children(view: View, record: Record, relation: str) -> object:
    """All that belongs to a record of which something is withheld: a list that is sent replaces it."""
    known = record.entity.relations[relation]
    child = view.catalog[known.target]
    rows = [r for r in view.tables[child.table] if r[known.remote] == record.row[known.local]]
    withheld = [f for f in child.fields if view.level(record, f"{relation}.{f}") is not Level.READ]
    return [[as_json(row[f]) for f in withheld] for row in sorted(rows, key=lambda row: str(row["id"]))]


def requirements_met(view: View, record: Record) -> object:
    """Of the moves out of a record's stage: which requirements on withheld fields are met."""
    stage = record.row.get("stage_id")
    moves = [move for move in view.tables.get("transitions", ()) if move["from_stage_id"] == stage]
    fields = sorted({r["field"] for move in moves for r in move["requirements"] if r["kind"] == "FIELD"})
    return [(f, record.row[f] is not None) for f in fields if view.level(record, f) is not Level.READ]


def owners_of_unseen(view: View, wanted: Mapping[str, str]) -> object:
    """Of each type, the owners and pool states of matching records that are not seen."""
    names = {user["id"]: user["name"] for user in view.tables["users"]}
    found: set[tuple[str, str | None, str]] = set()
    for entity in ("customer", "lead"):
        type_ = view.catalog[entity]
        for row in view.tables[type_.table]:
            record = Record(type_, row, type_, row)
            matches = any(has_value(view, record, name, value) for name, value in wanted.items())
            if matches and row["archived_at"] is None and not view.exists(record):
                found.add((entity, names.get(row["owner_id"]), row["pool_state"]))
    return found, matching_of_seen(view, wanted)


def matching_of_seen(view: View, wanted: Mapping[str, str]) -> object:
    """The records that are seen and match, also by what is withheld."""
    seen = [r for name in ("customer", "lead") for r in view.records(view.catalog[name])]
    return [r.row["id"] for r in seen if any(has_value(view, r, name, value) for name, value in wanted.items())]


def has_value(view: View, record: Record, name: str, value: str) -> bool:
    """Whether a record is a duplicate of what has a value."""
    row, lead = record.row, record.entity.name == "lead"
    points = [p["e164"] for p in view.tables["contact_points"] if not lead and p["customer_id"] == row["id"]]
    match name:
        case "phone":
            wanted = exact(Search.PHONE, value)
            return bool(wanted) and wanted in {whole_number(v) for v in (row["phone"], *points) if v}
        case "email":
            wanted = exact(Search.EMAIL, value)
            return bool(wanted) and wanted in {v.lower() for v in (row["email"], *points) if v}
        case "companyName":
            held = row["company_name"] if lead else row["name"] if row["kind"] == "ORGANIZATION" else None
            return _squeezed(held) == _squeezed(value) != ""
    held = () if lead else (row["registration_number"], row["tax_id"])
    return any(_squeezed(v) == _squeezed(value) != "" for v in held)


def _squeezed(value: str | None) -> str:
    return squeezed(folded(value or ""))


def in_full(view: View, id_: UUID, fields: Collection[str]) -> object:
    """What a record that is seen has in the fields, by their names in the API, that it shows at least masked. One that
    is not seen gives away as much as none: nothing.
    """
    types = (t for t in view.catalog.roots if any(row["id"] == id_ for row in view.tables[t.table]))
    entity = next(types, None)
    if entity is None:
        return []
    rows: list[Row] = [row for row in view.tables[entity.table] if row["id"] == id_]
    seen = [record for row in rows if view.exists(record := Record(entity, row, entity, row))]
    paths = [path for path, api_name in api_paths(view.catalog, entity).items() if api_name in fields]
    return [
        sorted(map(repr, _values(view, record, path)))
        for record in seen
        for path in paths
        if view.level(record, path) > Level.HIDDEN
    ]


def _values(view: View, record: Record, path: str) -> list[Any]:
    known = {member.name: member for member in record.entity.cells}
    if path in known:
        return [stored(record, known[path])]
    name, _, column = path.partition(".")
    relation = record.entity.relations[name]
    rows = view.tables[view.catalog[relation.target].table]
    return [row[column] for row in rows if row[relation.remote] == record.row[relation.local]]
