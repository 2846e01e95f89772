"""The full schema: every type, field and mutation there is. Role schemas only omit from it."""

from functools import partial
from itertools import chain
from typing import Any

import strawberry
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from crm_graph.access import Access
from crm_graph.catalog import Catalog
from crm_graph.resolvers.listings import LISTINGS
from crm_graph.resolvers.operations import RoleSchemas
from crm_graph.resolvers.optional import OPTIONAL
from crm_graph.resolvers.planner import DERIVED_ACTIONS
from crm_graph.resolvers.questions import QUESTIONS
from crm_graph.schema.audited_reads import audited_reads
from crm_graph.schema.building import define_enum, empty, enum_of
from crm_graph.schema.clients import ENUMS as CLIENT_ENUMS
from crm_graph.schema.clients import client_list, client_mutations
from crm_graph.schema.directory import directory_mutations
from crm_graph.schema.disclosures import disclosures
from crm_graph.schema.entities import EntityTypes
from crm_graph.schema.erasure import erase_customer
from crm_graph.schema.explanations import questions
from crm_graph.schema.exports import FORMATS, create_export
from crm_graph.schema.feed import feed_member
from crm_graph.schema.grantable import grantable_question
from crm_graph.schema.inputs import Inputs
from crm_graph.schema.issuers import ENUMS as ISSUER_ENUMS
from crm_graph.schema.issuers import issuer_list, issuer_mutations
from crm_graph.schema.jobs import ENUMS as JOB_ENUMS
from crm_graph.schema.jobs import job_list, job_mutations
from crm_graph.schema.metadata import answer_metadata, metadata_field
from crm_graph.schema.operations import ENUMS as OPERATIONS_ENUMS
from crm_graph.schema.operations import operations_fields, timer_mutations
from crm_graph.schema.records import record_mutations
from crm_graph.schema.rights_changes import rights_changes
from crm_graph.schema.role_administration import role_mutations, role_questions
from crm_graph.schema.roles import ACTIONS, role_schema
from crm_graph.schema.scalars import SCALARS
from crm_graph.schema.trusted_documents import trusted_document_mutations
from crm_graph.schema.uploads import file_mutations
from crm_graph.schema.verbs import verb_mutations
from crm_graph.schema.viewer import viewer_field
from crm_graph.services.commands import Mode, Result

_ENUMS = (
    enum_of(Mode, ATOMIC="One bad item refuses the whole batch.", PARTIAL="A bad item refuses only itself."),
    enum_of(
        Result,
        CREATED="A record was made.",
        UPDATED="A record was changed, or restored.",
        UNCHANGED="The record stood so already; nothing was written.",
        PENDING="The item waits for its parent, which is not here yet.",
        AMBIGUOUS="Several records match; nothing was written.",
        REJECTED="The item is wrong; nothing of it was written.",
    ),
    FORMATS,
    *ISSUER_ENUMS,
    *CLIENT_ENUMS,
    *JOB_ENUMS,
    *OPERATIONS_ENUMS,
)


def build_schema(catalog: Catalog) -> GraphQLSchema:
    """The full schema. Raises CatalogError where declarations, catalog and services do not fit together."""
    for declaration in _ENUMS:
        define_enum(declaration)
    types = EntityTypes(catalog)
    schema = strawberry.Schema(
        query=types.query(
            {
                **metadata_field(),
                **viewer_field(types),
                **questions(),
                **role_questions(),
                **grantable_question(),
                **issuer_list(),
                **client_list(types),
                **audited_reads(types),
                **rights_changes(types),
                **job_list(types),
                **operations_fields(types),
                **feed_member(types),
            }
        ),
        mutation=_mutation(types),
        types=[types.types[t.name] for t in catalog.roots],
        config=StrawberryConfig(scalar_map=dict(SCALARS)),
    )
    core: GraphQLSchema = schema._schema  # noqa: SLF001 - Strawberry has no public name for it
    core.directives = (*core.directives, OPTIONAL)
    _mark_actions(core)
    return core


def role_schemas(full: GraphQLSchema, catalog: Catalog) -> RoleSchemas:
    """A function from access to the schema of a role set."""
    return partial(_role_schema, full, catalog)


def _role_schema(full: GraphQLSchema, catalog: Catalog, access: Access) -> GraphQLSchema:
    schema = role_schema(full, catalog, access)
    answer_metadata(schema, catalog, access)
    return schema


def _mutation(types: EntityTypes) -> Any:
    inputs = Inputs(types)
    cls = empty("Mutation")
    mutations = chain(
        record_mutations(types, inputs),
        verb_mutations(types, inputs),
        trusted_document_mutations(),
        disclosures(types),
        issuer_mutations(),
        role_mutations(types.types["user"]),
        directory_mutations(types, inputs),
        client_mutations(),
        job_mutations(),
        timer_mutations(),
        (create_export(), erase_customer()),
        file_mutations(types),
    )
    fields = [mutation.field() for mutation in mutations]
    for field in fields:
        setattr(cls, str(field.python_name), field)
    return strawberry.type(
        cls,
        description="Everything that can be changed; each field is one transaction, and costs 10 and what it reads.",
    )


def _mark_actions(schema: GraphQLSchema) -> None:
    """Carry each mutation's action from Strawberry's field to graphql-core's, where role schemas look, and those of the
    questions about rights, of derived fields and of lists of what is no record.
    """
    if schema.query_type is None or schema.mutation_type is None:
        return
    for field in schema.mutation_type.fields.values():
        definition = field.extensions["strawberry-definition"]
        field.extensions = {**field.extensions, ACTIONS: definition.metadata[ACTIONS]}
    fields = [(schema.query_type.fields[name], question.action) for name, question in QUESTIONS.items()]
    fields += [(schema.query_type.fields[name], listing.action) for name, listing in LISTINGS.items()]
    for type_name, name, action in DERIVED_ACTIONS:
        type_: Any = schema.type_map[type_name]
        fields.append((type_.fields[name], action))
    for member, action in fields:
        member.extensions = {**member.extensions, ACTIONS: frozenset({action})}
