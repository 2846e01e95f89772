"""What is asked beside queries: files, changes of records, teams and people, what tells more than rights, imports."""

from random import Random
from typing import Any

from graphql import GraphQLSchema

from crm_graph.access import Access
from crm_graph.catalog import EntityType
from crm_graph.proof.declassified import CHECKED
from crm_graph.proof.exits import Exit, Question
from crm_graph.proof.operations.changes import ERRORS, Changes
from crm_graph.proof.operations.directory import Directory
from crm_graph.proof.operations.drafts import Draft
from crm_graph.proof.operations.making import OperationMaker
from crm_graph.proof.operations.questions import some_questions
from crm_graph.proof.twins import Twin
from crm_graph.resolvers.plan import Limits
from crm_graph.services.nouns import NOUNS
from crm_graph.services.rights import api_paths

LISTS = 2
CHANGES = 10
UPSERTS = 2
"""So many bulk upserts of each case, beside those that are among the changes."""
PEOPLE = 8
"""So many changes of teams and people."""
TOLD = 2
DOWNLOADS = 3
DELETE = f"mutation ($id: ID!) {{ deleteFile(id: $id) {{ deleted {ERRORS} }} }}"
ROWS = 12
IMPORTED = 0.6
"""The share of cases in which a file is imported."""
WHICH = ("EXCLUDE", "INCLUDE")
CHECK = f"""mutation ($i: CheckDuplicateInput!) {{ checkDuplicate(input: $i) {{
  exists matches {{ ownerName poolState customer {{ id maskedFields }} lead {{ id maskedFields }} }} {ERRORS} }} }}"""
UNMASK = f"""mutation ($ids: [ID!]!, $fields: [String!]!) {{ unmask(ids: $ids, fields: $fields, reason: "why") {{
  values {{ id childId field value }} {ERRORS} }} }}"""


def some_further(random: Random, twin: Twin, schema: GraphQLSchema, limits: Limits) -> list[Question]:
    """What somebody with these rights may ask, of each exit some."""
    access = twin.view.principal.access
    asked = some_files(random, twin, schema, limits, LISTS) if access.may("export") else []
    changes = Changes(random, twin, schema)
    asked += [Question(*made, Exit.MUTATION) for _ in range(CHANGES) if (made := changes.make())]
    upserts = Changes(random, twin, schema, ["upsert"])
    asked += [Question(*made, Exit.MUTATION) for _ in range(UPSERTS) if (made := upserts.make())]
    directory = Directory(random, twin, schema)
    asked += [Question(*made, Exit.MUTATION) for _ in range(PEOPLE) if (made := directory.make())]
    asked += [*some_questions(random, twin, schema), *some_timelines(schema, limits)]
    asked += some_downloads(random, twin, schema)
    for action, make in (("duplicates:check", a_check), ("unmask", an_unmasking)):
        asked += [make(random, twin) for _ in range(TOLD if access.may(action) else 0)]
    upserted = [twin.view.catalog[n] for n in NOUNS if access.may(f"{twin.view.catalog[n].plural}:upsert")]
    if upserted and random.random() < IMPORTED:
        entity = random.choice(upserted)
        asked.append(Question(changes.file(entity, ROWS), {"type": entity.name}, Exit.IMPORT))
    return asked


def some_timelines(schema: GraphQLSchema, limits: Limits) -> list[Question]:
    """The timelines of a page of customers, if there are any."""
    holder: Any = schema.type_map.get("Customer")
    if holder is None or "timeline" not in holder.fields:
        return []
    page, entries = (
        f"first: {limits.max_page}",
        f"timeline(first: {limits.max_children}) {{ nodes {{ id happenedAt }} }}",
    )
    return [
        Question(f"{{ customers({page}, archived: {which}) {{ nodes {{ id {entries} }} }} }}", {}) for which in WHICH
    ]


def some_downloads(random: Random, twin: Twin, schema: GraphQLSchema) -> list[Question]:
    """Files to be downloaded and deleted, some of which the asker does not see at all."""
    ids = [str(row["id"]) for tables in (twin.view.tables, twin.tables) for row in tables["files"]]
    ids = sorted({*map(str, twin.differing("files")), *random.sample(ids, min(DOWNLOADS, len(ids)))})
    asked = [Question(id_, {}, Exit.DOWNLOAD) for id_ in ids]
    if schema.mutation_type is not None and "deleteFile" in schema.mutation_type.fields:
        asked += [Question(DELETE, {"id": id_}, Exit.MUTATION) for id_ in ids]
    return asked


def some_files(random: Random, twin: Twin, schema: GraphQLSchema, limits: Limits, lists: int) -> list[Question]:
    """Lists to be made files of."""
    view, asked = twin.view, list[Question]()
    access: Access = view.principal.access
    for _ in range(lists if access.types else 0):
        known = random.choice((view.tables, twin.tables))
        draft = Draft(random, schema, view.catalog, access, known, limits, about=twin.about())
        made = OperationMaker(draft).make_list()
        asked.append(Question(made.text, made.variables, Exit.EXPORT))
    return asked


def a_check(random: Random, twin: Twin) -> Question:
    """A check for duplicates, by values that some rows have."""
    tables, wanted = random.choice((twin.view.tables, twin.tables)), {}
    differing = {id_ for table in ("customers", "leads") for id_ in twin.differing(table)}
    near = {t: [row for row in tables[t] if row["id"] in differing] for t in ("customers", "leads")}
    if any(near.values()) and random.random() < 0.6:
        tables = near
    for name in random.sample(list(CHECKED), random.choice((1, 1, 2))):
        own, of_lead = CHECKED[name]
        values = [row[own] for row in tables["customers"]] + [row[f] for row in tables["leads"] for f in of_lead]
        wanted[name] = random.choice([v for v in values if v and v.strip()] or ["138"])
    return Question(CHECK, {"i": wanted}, Exit.MUTATION)


def an_unmasking(random: Random, twin: Twin) -> Question:
    """Fields of a few records of one type, some of which the asker does not see at all."""
    catalog, tables = twin.view.catalog, random.choice((twin.view.tables, twin.tables))
    entity: EntityType = random.choice([catalog[name] for name in NOUNS if tables[catalog[name].table]])
    names = list(api_paths(catalog, entity).values())
    variables: dict[str, Any] = {
        "ids": [str(row["id"]) for row in random.sample(list(tables[entity.table]), min(2, len(tables[entity.table])))],
        "fields": random.sample(names, random.randint(1, 2)),
    }
    return Question(UNMASK, variables, Exit.MUTATION)
