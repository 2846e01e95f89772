"""What people call types, fields and options, as services that put conditions into words take it."""

from crm_graph.catalog import Catalog
from crm_graph.schema.entities import COMMON_LABELS, declarations_of, enums_of
from crm_graph.services.conditions import Vocabulary


def vocabulary_of(catalog: Catalog) -> Vocabulary:
    """The labels that `entityMetadata` has."""
    declarations = declarations_of(catalog)
    return Vocabulary(
        types={name: declaration.label[:2] for name, declaration in declarations.items()},
        members={
            (entity.name, member): declarations[entity.name].labels.get(member) or COMMON_LABELS[member]
            for entity in catalog.types.values()
            for member in (*entity.fields, *entity.relations)
        },
        options={enum: declaration.labels for enum, declaration in enums_of(catalog).items()},
    )
