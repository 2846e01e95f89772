"""External refs as clients see them."""

from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "external_ref",
        "What another system calls a record.",
        {
            "source": "Key of the other system, such as `erp`; never changes.",
            "external_id": "The record's id there, unique for each source and type of record; never changes.",
            "synced_at": "When the other system last sent the record, in UTC. Set by the service.",
        },
        label=("外部编号", "External reference", "External references"),
        labels={
            "source": ("来源系统", "Source"),
            "external_id": ("外部编号", "External id"),
            "synced_at": ("同步时间", "Synced at"),
        },
    ),
)

ENUMS: tuple[EnumDeclaration, ...] = ()
