"""Lists of what is no record: the planner refuses who lacks their action, whatever schema let the document pass."""

import pytest
from graphql import GraphQLObjectType

from crm_graph.access import Access
from crm_graph.errors import ValidationFailed
from crm_graph.permissions.effective import full_access
from crm_graph.resolvers.documents import read_document
from crm_graph.resolvers.listings import LISTINGS
from crm_graph.resolvers.plan import Limits, ReadPlan
from crm_graph.resolvers.planner import plan_read
from crm_graph.resolvers.selection import reader_of
from reference.compiled import catalog, default_access, schema_of

CLIENTS = "{ clients(first: 2) { nodes { clientId } totalCount } }"


def planned(document: str, access: Access) -> ReadPlan:
    """The plan of a document that was read by the full schema."""
    read = read_document(document, schema_of(full_access(catalog())), 1_000)
    operation = read.operation(None)
    assert read.schema.query_type is not None
    reader = reader_of(read.schema, operation.node, read.fragments, {}, 10)
    selection = reader.read(read.schema.query_type, operation.node.selection_set.selections)
    return plan_read(selection, catalog(), access, Limits())


@pytest.mark.parametrize("role", ["sales", "crm_manager", "auditor"])
def test_planner_refuses_who_lacks_the_action_like_a_field_that_never_was(role: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        planned(CLIENTS, default_access([role]))

    assert (refused.value.template_key, refused.value.path) == ("unknown_field", ("clients",))


def test_planner_plans_it_for_who_has_it() -> None:
    assert len(planned(CLIENTS, default_access(["admin"])).roots) == 1


@pytest.mark.parametrize("name", LISTINGS)
def test_declaration_and_schema_agree(name: str) -> None:
    listing = LISTINGS[name]
    type_ = schema_of(full_access(catalog())).type_map[listing.type_name]

    assert isinstance(type_, GraphQLObjectType)
    assert set(type_.fields) == set(listing.members)
