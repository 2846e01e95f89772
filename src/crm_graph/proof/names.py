"""The law for names: what a role set is told without any data, and how a name that it does not have is refused."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from graphql import GraphQLSchema, print_schema

from crm_graph.access import Access, Level
from crm_graph.catalog import CUSTOM, Catalog, EntityType, build_catalog
from crm_graph.custom_fields import CustomDefinition
from crm_graph.errors import CrmError
from crm_graph.models.custom_fields import CustomKind
from crm_graph.models.fields import DataClass
from crm_graph.permissions.effective import effective_access
from crm_graph.permissions.rules import Policy, RoleRule
from crm_graph.proof.engine import SMALL, Engine
from crm_graph.resolvers.operations import Operations, RoleSchemas
from crm_graph.schema.build import build_schema, role_schemas

NEVER_WAS = "neverWas"
FURTHER = (
    CustomDefinition("customer", "furtherCost", CustomKind.DECIMAL, DataClass.COST, "Further cost", "另外成本"),
    CustomDefinition(
        "customer", "furtherState", CustomKind.ENUM, DataClass.BASIC, "Further state", "另外状态",
        options=(("ON", "On", "是"),),
    ),
    CustomDefinition("ticket", "furtherText", CustomKind.TEXT, DataClass.CONTENT, "Further text", "另外内容"),
)  # fmt: skip
"""Custom fields that nobody is shown."""
_FIELDS = """name custom kind label { zh en } description target required nullable writableOnCreate writableOnUpdate
  maxLength scale options { value label { zh en } description } dataClass personal filterable sortable level"""
_METADATA = f"{{ entityMetadata {{ name label {{ zh en }} description fields {{ {_FIELDS} }} }} }}"
_ABILITIES = """{ viewer { access { actions types { type everyRow creatable updatable archivable restorable
  transitionable fields { field level conditional writable } } } } }"""


@dataclass(frozen=True)
class Names:
    """What is told of names in a company, and in the same with further custom fields that no role sees."""

    policy: Policy
    definitions: tuple[CustomDefinition, ...]

    @cached_property
    def _hiding(self) -> Policy:
        """The same policy, which hides the further fields."""
        return Policy(self.policy.version, {key: _hiding(role) for key, role in self.policy.roles.items()})

    async def told(
        self, roles: Collection[str], scopes: frozenset[str] | None = None, *, further: bool
    ) -> tuple[str, bytes]:
        """The schema of some roles, and all of `entityMetadata` and `viewer { access }`."""
        known, schemas = _company((*self.definitions, *(FURTHER if further else ())))
        access = effective_access(self._hiding if further else self.policy, known, roles, scopes)
        schema = schemas(access)
        operations = Operations(known, lambda _: schema, SMALL, max_tokens=20_000)
        metadata, abilities = [
            await operations.prepare(
                document := await operations.document(t, access), document.operation(None), {}, access
            )
            for t in (_METADATA, _ABILITIES)
        ]
        # Who asks is read, with their rights as part of the statement.
        return print_schema(schema), (metadata.known or b"") + repr(abilities.statement).encode()


def _hiding(role: RoleRule) -> RoleRule:
    hidden = dict.fromkeys((f"{CUSTOM}.{field.key}" for field in FURTHER), Level.HIDDEN)
    grants = {
        name: tuple(replace(grant, fields={**grant.fields, **hidden}) for grant in lines)
        for name, lines in role.grants.items()
    }
    return replace(role, grants=grants)


def schemas_of(definitions: tuple[CustomDefinition, ...]) -> RoleSchemas:
    """The schemas of role sets in a company with these custom fields."""
    return _company(definitions)[1]


@lru_cache(maxsize=4)
def _company(definitions: tuple[CustomDefinition, ...]) -> tuple[Catalog, RoleSchemas]:
    known = build_catalog(definitions)
    return known, role_schemas(build_schema(known), known)


def beyond(schema: GraphQLSchema, known: Catalog, access: Access) -> Iterator[str]:
    """The fields of a schema that no grant shows; a naive access says which those are."""
    for entity in known.roots:
        fields = getattr(schema.type_map.get(entity.api_name), "fields", {})
        for member in entity.fields.values():
            if member.api_name in fields and access.ceiling(entity.name, member.name) is Level.HIDDEN:
                yield f"{entity.api_name}.{member.api_name}"


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


async def told_by_refusals(engine: Engine, known: Access, access: Access) -> tuple[list[tuple[str, str, str]], int]:
    """The queries of fields which are not `known` that are not refused as those of a field that never was, with both
    refusals; of how many.
    """
    told, asked = list[tuple[str, str, str]](), 0
    for entity in engine.catalog.roots:
        hidden = [f for f in entity.fields.values() if known.ceiling(entity.name, f.name) is Level.HIDDEN]
        usual = [await refused(engine, access, text, NEVER_WAS) for text in spots(entity, NEVER_WAS)]
        for name in (member.api_name for member in hidden):
            for text, refusal in zip(spots(entity, name), usual, strict=True):
                asked += 1
                found = await refused(engine, access, text, name)
                if found != refusal:
                    told.append((text, found, refusal))
    return told, asked


async def refused(engine: Engine, access: Access, text: str, name: str) -> str:
    """How a query is refused, the name that is wrong and what stands behind it left out."""
    try:
        await engine.operations.document(text, access)
    except CrmError as error:
        problems = [problem.error.message for problem in error.details["problems"]]
        return repr((error.code, problems)).replace(name, "<name>")
    return "not refused"
