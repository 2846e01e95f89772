"""A query that is being written: where its chance comes from, what it may ask, and what it has of variables so far."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import GraphQLInputObjectType, GraphQLSchema

from crm_graph.access import Access
from crm_graph.catalog import CUSTOM, Catalog, EntityType
from crm_graph.proof.histories import EVENTS
from crm_graph.proof.literals import Written, in_document
from crm_graph.proof.operations.generated import Place
from crm_graph.proof.rows import Tables
from crm_graph.resolvers.feed.planner import FEED
from crm_graph.resolvers.listings import LISTINGS
from crm_graph.resolvers.plan import Limits
from crm_graph.resolvers.questions import QUESTIONS
from crm_graph.resolvers.timeline.sources import HOLDER, SOURCES

LEFT_OUT = frozenset({"availableTransitions", "entityMetadata", "viewer", *QUESTIONS, *LISTINGS})
"""What no SQL computes: derived fields, and what the role set alone decides; who asks; questions about rights, one of
which has the name of the roles of a user; and lists of what is no record. It has tests of its own, as the feed has.
"""


@dataclass
class Draft:
    """`random` may be driven by Hypothesis. `about` has columns by table that the query is to ask for, to look for, to
    order and to group by more often than by chance, by the share `bent`. `types` are those of variables that may get
    any other value of theirs.
    """

    random: Random
    schema: GraphQLSchema
    catalog: Catalog
    access: Access
    tables: Tables
    limits: Limits
    about: Mapping[str, Collection[str]] = field(default_factory=dict)
    bent: float = 0.6
    variables: dict[str, Any] = field(default_factory=dict)
    definitions: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    names: int = 0

    def chance(self, share: float) -> bool:
        """True in about that share of cases."""
        return self.random.randint(0, 99) >= 100 - share * 100

    def pick(self, names: Iterable[str], entity: EntityType | None = None) -> str:
        """One of the names, of an entity's members rather one that the query is to be about; custom fields are many
        under one name.
        """
        known = list(names)
        likelier = [name for name in self._likelier(entity) if name in known] if entity else []
        if likelier and self.chance(self.bent):
            return self.random.choice(likelier)
        return CUSTOM if CUSTOM in known and self.chance(0.15) else self.random.choice(known)

    def pick_root(self, names: Sequence[str]) -> str:
        """One of the root fields, rather a list or an aggregate of what the query is to be about."""
        wanted = [e for e in self.catalog.roots if self._leads_there(e)]
        likelier = [f for e in wanted for f in (e.api_plural, f"{e.api_plural}Aggregate") if f in names]
        return self.random.choice(likelier if likelier and self.chance(self.bent) else names)

    def pick_type(self) -> EntityType:
        """One of the types, rather one that the query is to be about."""
        types = self.nodes()
        wanted = [entity for entity in types if entity.table in self.about]
        return self.random.choice(wanted if wanted and self.chance(self.bent) else types)

    def nodes(self) -> list[EntityType]:
        """The types that are found by an id alone."""
        return [entity for entity in self.catalog.types.values() if entity.is_listed]

    def _leads_there(self, entity: EntityType) -> bool:
        related = (self.catalog[relation.target].table for relation in entity.relations.values())
        known = any(table in self.about for table in (entity.table, *related))
        return known or self._timeline_leads_there(entity) or self._history_leads_there(entity)

    def _history_leads_there(self, entity: EntityType) -> bool:
        return entity.owned and EVENTS in self.about

    def _timeline_leads_there(self, entity: EntityType) -> bool:
        return entity.name == HOLDER and any(self.catalog[source.entity].table in self.about for source in SOURCES)

    def _likelier(self, entity: EntityType) -> list[str]:
        """The members that the query is to be about, or that lead there."""
        wanted = self.about.get(entity.table, ())
        found = [f.api_name for f in entity.fields.values() if f.name in wanted]
        found += ["maskedFields"] if found else []
        found += [CUSTOM] if CUSTOM in wanted else []
        related = [r.api_name for r in entity.relations.values() if self.catalog[r.target].table in self.about]
        found += [*related, *(f"{name}Aggregate" for name in related)]
        found += ["history"] if self._history_leads_there(entity) else []
        return [*found, "timeline"] if self._timeline_leads_there(entity) else found

    def fresh(self, prefix: str) -> str:
        """A name that the document does not have yet."""
        self.names += 1
        return f"{prefix}{self.names}"

    def variable(self, type_: str, value: Any) -> Written:
        """A variable of the document that has the value, given by the request or by default."""
        name = self.fresh("v")
        default = f" = {in_document(value)}" if self.chance(0.15) else ""
        self.definitions.append(f"${name}: {type_}{default}")
        if not default or self.chance(0.3):
            self.variables[name] = value
        return Written(f"${name}")

    def swappable(self, type_: str, value: Any, pool: str | None = None) -> Any:
        """The value itself, or a variable that may get any other value of its type, or of its pool."""
        either = self.either(type_, value)
        if isinstance(either, Written):
            self.types[either.text[1:]] = pool or type_
        return either

    def either(self, type_: str, value: Any) -> Any:
        """The value itself, or a variable that has it."""
        return self.variable(type_, value) if self.chance(0.3) else value

    def fields(self, type_name: str) -> list[str]:
        """What can be selected of a type."""
        type_: Any = self.schema.type_map[type_name]
        left_out = LEFT_OUT | {FEED} if type_ is self.schema.query_type else LEFT_OUT
        return [*(name for name in type_.fields if name not in left_out), "__typename"]

    def inputs(self, type_name: str) -> list[str]:
        """What an input takes; nothing where the role does not have it."""
        type_ = self.schema.type_map.get(type_name)
        return list(type_.fields) if isinstance(type_, GraphQLInputObjectType) else []
