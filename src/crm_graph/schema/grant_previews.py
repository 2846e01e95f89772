"""What an edit of a role would do, as clients see it."""

import strawberry

from crm_graph.schema.building import enum_of
from crm_graph.schema.explanations import AccessLevel
from crm_graph.schema.role_definitions import GrantInput
from crm_graph.services.grant_changes import ChangeKind

CHANGE_KIND = enum_of(
    ChangeKind,
    GAIN="More is shown, or may be done.",
    LOSE="Less is shown, or may be done.",
    GAIN_WRITE="May be written.",
    LOSE_WRITE="May no longer be written.",
)


@strawberry.input(description="A role as it would be; what is left out stays.")
class RoleDraft:
    role: str = strawberry.field(description="Key of a role, or of one that there is not yet.")
    grants: list[GrantInput] | None = strawberry.field(description="All of its own grants.", default=strawberry.UNSET)
    inherits: list[str] | None = strawberry.field(
        description="All roles whose grants and actions it has beside its own.", default=strawberry.UNSET
    )
    actions: list[str] | None = strawberry.field(description="All of its own actions.", default=strawberry.UNSET)
    users: list[strawberry.ID] | None = strawberry.field(
        description="Users who would be given the role, at most 200.", default=strawberry.UNSET
    )


@strawberry.type(description="A change of what some users see, or write, of some fields.")
class AccessChange:
    type: str = strawberry.field(description="The type of records.")
    fields: list[str] = strawberry.field(description="The fields.")
    kind: ChangeKind = strawberry.field(description="Which way.")
    level: AccessLevel | None = strawberry.field(description="What is shown from then on; null for writing.")
    users: int = strawberry.field(description="How many users it is about.")
    rows: int | None = strawberry.field(
        description="On how many records in use, of all these users together; null where counting takes too long."
    )
    rows_capped: bool = strawberry.field(
        description="Whether there may be more: 10,000 are counted, and what depends on the user for 200 users."
    )
    rows_bounded: bool = strawberry.field(
        description="Whether it is some of `rows`: by a condition on what you do not read, none are counted."
    )


@strawberry.type(description="An action that some users gain or lose.")
class ActionChange:
    action: str = strawberry.field(description="The action.")
    kind: ChangeKind = strawberry.field(description="Which way.")
    users: int = strawberry.field(description="How many users it is about.")


@strawberry.type(description="A trusted document that becomes valid for some users, or breaks for them.")
class DocumentChange:
    id: strawberry.ID = strawberry.field(description="Its id.")
    operations: list[str] = strawberry.field(description="The names of its operations.")
    kind: ChangeKind = strawberry.field(description="GAIN where it becomes valid, LOSE where it breaks.")
    users: int = strawberry.field(description="How many users it is about.")


@strawberry.type(description="What an edit of a role would do. Scopes of clients are left out of account.")
class GrantsPreview:
    users: int = strawberry.field(description="How many active users it would change something for.")
    summary: list[str] = strawberry.field(description="The changes in words, in the language of the request.")
    changes: list[AccessChange] = strawberry.field(description="What is seen and written, by type.")
    actions: list[ActionChange] = strawberry.field(description="What is done.")
    documents: list[DocumentChange] = strawberry.field(
        description="Of 100 trusted documents, registered last or in the manifest, for the role sets that most have."
    )
