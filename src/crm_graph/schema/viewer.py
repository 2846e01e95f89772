"""`viewer`: who asks, and what a front end needs to know of their rights to draw its screens."""

from collections.abc import Mapping

import strawberry

from crm_graph.schema.building import Member, define_type, empty, list_of
from crm_graph.schema.entities import EntityTypes
from crm_graph.schema.labels import Labels
from crm_graph.schema.metadata import FieldLevel


@strawberry.type(description="A role that you have.")
class ViewerRole:
    key: str = strawberry.field(description="Stable key of the role.")
    label: Labels = strawberry.field(description="What people call it.")


@strawberry.type(description="The client that asks on your behalf, or as itself.")
class ViewerClient:
    client_id: str = strawberry.field(description="Its id at the token endpoint.")
    name: str = strawberry.field(description="What people call it.")
    source: str | None = strawberry.field(description="The other system that it stands for, as in `externalRefs`.")


@strawberry.type(description="A field, a custom field or a to-one relation, as you may see and write it.")
class FieldAccess:
    field: str = strawberry.field(description="Its name in this API: `phone`, `custom.loyaltyCard`, `addresses.city`.")
    level: FieldLevel = strawberry.field(description="The most that it shows to you.")
    conditional: bool = strawberry.field(
        description="Whether some of your records show less of it; `maskedFields` of each record says which."
    )
    writable: bool = strawberry.field(description="Whether you may give or change it on some records.")


@strawberry.type(
    description="A type of records, as you may see and write it. The rights on a record decide in the end."
)
class TypeAccess:
    type: str = strawberry.field(description="Its name in this API.")
    every_row: bool = strawberry.field(description="Whether you see every record of it, and not only some.")
    creatable: bool = strawberry.field(description="Whether you may make records.")
    updatable: bool = strawberry.field(description="Whether you may change records.")
    archivable: bool = strawberry.field(description="Whether you may archive records.")
    restorable: bool = strawberry.field(description="Whether you may restore records.")
    transitionable: bool = strawberry.field(description="Whether you may move records to other stages.")
    fields: list[FieldAccess] = strawberry.field(description="What you may see of its records.")


@strawberry.type(description="What you may see and do. It is the same for everybody with your roles and client.")
class ViewerAccess:
    actions: list[str] = strawberry.field(description="The actions that you have, such as `leads:assign`.")
    types: list[TypeAccess] = strawberry.field(description="The types of records that you may see.")


def viewer_field(types: EntityTypes) -> Mapping[str, Member]:
    """The root field."""
    viewer = define_type(
        empty("Viewer"),
        "Who asks.",
        {
            "user": Member(types.types["user"] | None, "Your own record."),
            "roles": Member(list[ViewerRole], "Your roles, beside what everyone has, by key."),
            "team": Member(types.types["team"] | None, "Your primary team, null for none."),
            "teams": Member(list_of(types.types["team"] | None), "Your teams; null for one that you may not see."),
            "client": Member(ViewerClient | None, "The client that asks, null for none."),
            "locale": Member(str, "Your language, a BCP 47 tag."),
            "time_zone": Member(str, "Your IANA time zone, or that of the company."),
            "access": Member(ViewerAccess, "What you may see and do."),
        },
    )
    return {"viewer": Member(viewer, "Who asks, and what they may do: all that a front end needs to draw its screens.")}
