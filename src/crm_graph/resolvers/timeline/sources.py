"""What a timeline is made of: the kinds of entries, the ways to them, and which of these a role set may go."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crm_graph.access import Access, Level
from crm_graph.catalog import Catalog, CatalogError, EntityType, Field, Kind, Relation

HOLDER = "customer"


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of entries: a type, the field that tells when, and the relations that lead to it from a customer."""

    entity: str
    moment: str
    paths: tuple[str, ...]
    about: str

    @property
    def kind(self) -> str:
        return self.entity.upper()


# A further kind is one line here, and an index on (what its last relation joins by, the moment, id).
SOURCES = (
    Source("interaction", "occurred_at", ("interactions",), "Contacts, by when they took place."),
    Source("task", "created_at", ("tasks",), "Tasks (任务), by when they were created."),
    Source("ticket", "created_at", ("tickets",), "Service tickets (工单), by when they were created."),
    Source(
        "stage_change",
        "entered_at",
        tuple(f"{flow}.stage_history" for flow in ("leads", "opportunities", "tickets", "contracts")),
        "Moves of the customer's leads, opportunities, tickets and contracts into a stage.",
    ),
)

_enum_of_names: Any = StrEnum
TimelineKind: type[StrEnum] = _enum_of_names("TimelineKind", {source.kind: source.kind for source in SOURCES})


@dataclass(frozen=True, slots=True)
class Way:
    """One way from a customer to entries of one type."""

    source: Source
    entity: EntityType
    moment: Field
    path: tuple[Relation, ...]
    root: EntityType
    prefix: str


def ways(catalog: Catalog) -> Iterator[Way]:
    """Every way there is. Raises CatalogError for one that leads elsewhere, or a moment that may be missing."""
    for source in SOURCES:
        for path in source.paths:
            way = _way(catalog, source, path)
            if way.entity.name != source.entity or way.moment.kind is not Kind.DATE_TIME or way.moment.nullable:
                raise CatalogError(f"the timeline cannot go by {path} to {source.entity}.{source.moment}")
            yield way


def _way(catalog: Catalog, source: Source, path: str) -> Way:
    entity, root, prefix, relations = catalog[HOLDER], catalog[HOLDER], "", list[Relation]()
    for step in path.split("."):
        relation = entity.relations[step]
        entity = catalog[relation.target]
        relations.append(relation)
        root, prefix = (root, f"{prefix}{step}.") if entity.is_child else (entity, "")
    return Way(source, entity, entity.fields[source.moment], tuple(relations), root, prefix)


def open_ways(catalog: Catalog, access: Access) -> Iterator[Way]:
    """The ways whose entries a role set can see: an entry whose moment is withheld is in no timeline."""
    for way in ways(catalog):
        shown = any(grant.shows(way.prefix) for grant in access.grants(way.root.name))
        if shown and access.ceiling(way.root.name, way.prefix + way.moment.name) is Level.READ:
            yield way


def moment_of(entity: EntityType) -> Field:
    """The field behind `happenedAt` of a type that timelines have."""
    return next(entity.fields[source.moment] for source in SOURCES if source.entity == entity.name)
