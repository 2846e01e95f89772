"""Roles and their grants, as clients see them and as they give them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import strawberry

from crm_graph.models.fields import DataClass
from crm_graph.models.roles import RowRule
from crm_graph.schema.explanations import AccessLevel
from crm_graph.schema.labels import Labels
from crm_graph.schema.scalars import JSON
from crm_graph.services.conditions import ConditionWords


@strawberry.type(description="What a grant shows of the fields of a data class.")
class ClassLevel:
    data_class: DataClass = strawberry.field(description="The data class.")
    level: AccessLevel = strawberry.field(description="What it shows of its fields.")


@strawberry.type(description="What a grant shows of one field, whatever its class.")
class FieldLevelOverride:
    field: str = strawberry.field(description="The field: `phone`, `contactPoints.raw`, `custom.loyaltyCard`.")
    level: AccessLevel = strawberry.field(description="What it shows of it.")


@strawberry.type(description="What a grant lets be written, where it shows it and clients may write it at all.")
class GrantWrites:
    classes: list[DataClass] = strawberry.field(description="The fields of these data classes.")
    fields: list[str] = strawberry.field(description="These fields, and parents such as `customer`.")
    except_: list[str] = strawberry.field(name="except", description="Not these fields.")


@strawberry.type(description="What a role gives on the records of one type that a row rule matches.")
class RoleGrant:
    type: str = strawberry.field(description="The type of records, such as `Customer`.")
    row_rule: RowRule = strawberry.field(description="Which records it is about.")
    where: JSON | None = strawberry.field(
        description="The condition of a row rule WHERE, as the `where` of the type takes it; an id may be that of who"
        ' asks, `{ "$viewer": "id" }`, or one of their teams, `{ "$viewer": "team_ids" }`, with those below'
        ' `{ "$viewer": "team_tree_ids" }`.'
    )
    where_in_words: str | None = strawberry.field(
        description="The condition in words, in the language of the request; null for one that no longer reads, as it"
        " names what is not there any more."
    )
    levels: list[ClassLevel] = strawberry.field(description="What it shows by data class; others are HIDDEN.")
    fields: list[FieldLevelOverride] = strawberry.field(description="What it shows of single fields.")
    personal_level: AccessLevel = strawberry.field(
        description="The most that a class gives to a field that is marked as personal."
    )
    writes: GrantWrites = strawberry.field(description="What it lets be written.")


@strawberry.type(description="A role: what it gives, and what is known of it.")
class Role:
    id: strawberry.ID = strawberry.field(description="Its id, as `rightsChanges` takes it.")
    key: str = strawberry.field(description="Its stable key.")
    label: Labels = strawberry.field(description="What people call it.")
    description: str = strawberry.field(description="What it is for.")
    about: Labels = strawberry.field(
        description="The same in both languages, where the hub wrote it; what people wrote is the same in both."
    )
    builtin: bool = strawberry.field(description="Whether the hub comes with it: it can be reset, not removed.")
    edited: bool = strawberry.field(description="Whether a built-in role gives anything else than by default.")
    version: int = strawberry.field(description="Counts its changes, from 1; pass it as `expectedVersion`.")
    inherits: list[str] = strawberry.field(
        description="Keys of the roles whose grants and actions it has beside its own."
    )
    actions: list[str] = strawberry.field(description="Its own actions, such as `leads:assign`.")
    grants: list[RoleGrant] = strawberry.field(description="Its own grants, by type.")
    holders: int = strawberry.field(description="How many active users have it now.")
    created_at: datetime = strawberry.field(description="When it was made, in UTC.")
    updated_at: datetime = strawberry.field(description="When it last changed, in UTC.")


@strawberry.input(description="What a grant shows of the fields of a data class.")
class ClassLevelInput:
    data_class: DataClass = strawberry.field(description="The data class.")
    level: AccessLevel = strawberry.field(description="What it shows of its fields.")


@strawberry.input(description="What a grant shows of one field, whatever its class.")
class FieldLevelInput:
    field: str = strawberry.field(description="The field: `phone`, `contactPoints.raw`, `custom.loyaltyCard`.")
    level: AccessLevel = strawberry.field(description="What it shows of it.")


@strawberry.input(description="What a grant lets be written, where it shows it.")
class GrantWritesInput:
    classes: list[DataClass] = strawberry.field(
        description="The fields of these data classes.", default_factory=list[DataClass]
    )
    fields: list[str] = strawberry.field(
        description="These fields, and parents such as `customer`.", default_factory=list[str]
    )
    except_: list[str] = strawberry.field(name="except", description="Not these fields.", default_factory=list[str])


@strawberry.input(description="What a role gives on the records of one type that a row rule matches.")
class GrantInput:
    type: str = strawberry.field(description="The type of records, such as `Customer`.")
    row_rule: RowRule = strawberry.field(description="Which records it is about.")
    where: JSON | None = strawberry.field(
        description="The condition of a row rule WHERE. It may name what the role reads in full on every record that it"
        " sees.",
        default=strawberry.UNSET,
    )
    levels: list[ClassLevelInput] = strawberry.field(
        description="What it shows by data class; others are HIDDEN.", default_factory=list[ClassLevelInput]
    )
    fields: list[FieldLevelInput] = strawberry.field(
        description="What it shows of single fields.", default_factory=list[FieldLevelInput]
    )
    personal_level: AccessLevel = strawberry.field(
        description="The most that a class gives to a field that is marked as personal.", default=AccessLevel.READ
    )
    writes: GrantWritesInput | None = strawberry.field(description="What it lets be written.", default=strawberry.UNSET)


@strawberry.input(description="What people call a thing on a screen.")
class LabelsInput:
    zh: str = strawberry.field(description="In Chinese.")
    en: str = strawberry.field(description="In English.")


@strawberry.input(description="A new role.")
class CreateRoleInput:
    key: str = strawberry.field(description="Its key for good: 2 to 40 characters a-z, 0-9, underscore.")
    label: LabelsInput = strawberry.field(description="What people call it.")
    description: str | None = strawberry.field(description="What it is for.", default=strawberry.UNSET)
    inherits: list[str] = strawberry.field(
        description="Keys of the roles whose grants and actions it has beside its own.", default_factory=list[str]
    )
    actions: list[str] = strawberry.field(
        description="Its own actions, such as `leads:assign`.", default_factory=list[str]
    )
    grants: list[GrantInput] = strawberry.field(description="Its own grants.", default_factory=list[GrantInput])


@strawberry.input(description="What to change of a role; what is left out stays.")
class UpdateRoleInput:
    label: LabelsInput | None = strawberry.field(description="What people call it.", default=strawberry.UNSET)
    description: str | None = strawberry.field(description="What it is for.", default=strawberry.UNSET)
    inherits: list[str] | None = strawberry.field(
        description="All roles whose grants and actions it has beside its own from now on.", default=strawberry.UNSET
    )
    actions: list[str] | None = strawberry.field(
        description="All of its own actions from now on.", default=strawberry.UNSET
    )


def in_words(told: Mapping[str, Any], conditions: ConditionWords) -> Mapping[str, Any]:
    """A role with its conditions in words too."""
    grants = [{**g, "whereInWords": conditions.if_it_reads(g["type"], g["where"])} for g in told["grants"]]
    return {**told, "grants": grants}


def role_of(told: Mapping[str, Any]) -> Role:
    """A role as a payload has it, `in_words`."""
    grants = [
        RoleGrant(
            type=grant["type"],
            row_rule=RowRule(grant["rowRule"]),
            where=grant["where"],
            where_in_words=grant["whereInWords"],
            levels=[
                ClassLevel(data_class=DataClass(one["dataClass"]), level=AccessLevel(one["level"]))
                for one in grant["levels"]
            ],
            fields=[FieldLevelOverride(field=one["field"], level=AccessLevel(one["level"])) for one in grant["fields"]],
            personal_level=AccessLevel(grant["personalLevel"]),
            writes=GrantWrites(
                classes=[DataClass(one) for one in grant["writes"]["classes"]],
                fields=grant["writes"]["fields"],
                except_=grant["writes"]["except"],
            ),
        )
        for grant in told["grants"]
    ]
    return Role(
        id=strawberry.ID(told["id"]),
        key=told["key"],
        label=Labels(**told["label"]),
        description=told["description"],
        about=Labels(**told["about"]),
        builtin=told["builtin"],
        edited=told["edited"],
        version=told["version"],
        inherits=told["inherits"],
        actions=told["actions"],
        grants=grants,
        holders=told["holders"],
        created_at=told["createdAt"],
        updated_at=told["updatedAt"],
    )
