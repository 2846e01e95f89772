"""The law for names: what a role set is told without any data, and how a name that it does not have is refused."""

from functools import cache

from graphql import print_schema

from crm_graph.access import Access, Level
from crm_graph.catalog import Catalog, EntityType, build_catalog
from crm_graph.custom_fields import CustomDefinition
from crm_graph.errors import CrmError
from crm_graph.models.custom_fields import CustomKind
from crm_graph.models.fields import DataClass
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import Policy
from crm_graph.proof.engine import SMALL
from crm_graph.resolvers.operations import Operations, RoleSchemas
from crm_graph.schema.build import build_schema, role_schemas
from reference.compiled import Compiled, catalog
from reference.custom import CUSTOM_FIELDS

NEVER_WAS = "neverWas"
FURTHER = (
    CustomDefinition("customer", "discount", CustomKind.DECIMAL, DataClass.COST, "Discount", "折扣成本"),
    CustomDefinition(
        "customer", "watch", CustomKind.ENUM, DataClass.KYC, "Watch list", "名单", options=(("ON", "On", "是"),)
    ),
)
"""Custom fields that no default role sees."""
_FIELDS = """name custom kind label { zh en } description target required nullable writableOnCreate writableOnUpdate
  maxLength scale options { value label { zh en } description } dataClass personal filterable sortable level"""
_METADATA = f"{{ entityMetadata {{ name label {{ zh en }} description fields {{ {_FIELDS} }} }} }}"


async def told_of_names(role: str, *, further: bool) -> tuple[str, bytes]:
    """The schema of a role and all of `entityMetadata`, in a company with or without further custom fields."""
    known, schemas = _with_further() if further else _plain()
    access = effective_access(Policy(1, DEFAULT_ROLES), known, [role])
    schema = schemas(access)
    operations = Operations(known, lambda _: schema, SMALL, max_tokens=20_000)
    document = await operations.document(_METADATA, access)
    prepared = await operations.prepare(document, document.operation(None), {}, access)
    return print_schema(schema), prepared.known or b""


@cache
def _plain() -> tuple[Catalog, RoleSchemas]:
    return catalog(), role_schemas(build_schema(catalog()), catalog())


@cache
def _with_further() -> tuple[Catalog, RoleSchemas]:
    known = build_catalog((*CUSTOM_FIELDS, *FURTHER))
    return known, role_schemas(build_schema(known), known)


def spots(entity: EntityType, name: str) -> list[str]:
    """Queries that name a field wherever a field can be named."""
    plural = entity.api_plural
    return [
        f"{{ {plural} {{ nodes {{ {name} }} }} }}",
        f"{{ {plural}(where: {{ {name}: {{ isNull: true }} }}) {{ totalCount }} }}",
        f"{{ {plural}(orderBy: [{{ {name}: ASC }}]) {{ totalCount }} }}",
        f"{{ {plural}Aggregate(groupBy: [{{ {name}: true }}]) {{ groups {{ count }} }} }}",
        f"{{ {plural}Aggregate(having: {{ max: {{ {name}: {{ isNull: true }} }} }}) {{ groups {{ count }} }} }}",
        f"{{ {plural}Aggregate(orderBy: [{{ countDistinct: {{ {name}: ASC }} }}]) {{ groupsCapped }} }}",
        f"{{ {plural}Aggregate {{ groups {{ key {{ {name} }} }} }} }}",
        f"{{ {plural}Aggregate {{ groups {{ countDistinct {{ {name} }} }} }} }}",
        f'{{ __type(name: "{entity.api_name}") {{ fields {{ name }} }} {plural} {{ edges {{ node {{ {name} }} }} }} }}',
    ]


async def told_by_refusals(compiled: Compiled, access: Access) -> tuple[list[str], int]:
    """The queries of hidden fields that are not refused as those of a field that never was; of how many."""
    told, asked = list[str](), 0
    for entity in catalog().roots:
        hidden = [f for f in entity.fields.values() if access.ceiling(entity.name, f.name) is Level.HIDDEN]
        usual = [await _refused(compiled, access, text, NEVER_WAS) for text in spots(entity, NEVER_WAS)]
        for name in (member.api_name for member in hidden):
            for text, refusal in zip(spots(entity, name), usual, strict=True):
                asked += 1
                if await _refused(compiled, access, text, name) != refusal:
                    told.append(text)
    return told, asked


async def _refused(compiled: Compiled, access: Access, text: str, name: str) -> str:
    """How a query is refused, the name that is wrong and what stands behind it left out."""
    try:
        await compiled.operations.document(text, access)
    except CrmError as error:
        problems = [problem.error.message for problem in error.details["problems"]]
        return repr((error.code, problems)).replace(name, "<name>")
    return "not refused"
