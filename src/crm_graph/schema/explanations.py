"""`explainAccess` and `accessReport`, as clients see them: which grant decides, and who can see a field."""

from collections.abc import Mapping
from enum import StrEnum

import strawberry

from crm_graph.models.roles import RowRule
from crm_graph.permissions.explain import GrantState, Idle
from crm_graph.schema.building import Argument, Member, define_enum, enum_of
from crm_graph.schema.labels import Labels


class AccessLevel(StrEnum):
    """What is shown of a field on a record."""

    HIDDEN = "HIDDEN"
    MASKED = "MASKED"
    LOOKUP = "LOOKUP"
    READ = "READ"


ENUMS = (
    enum_of(
        AccessLevel,
        HIDDEN="Nothing; where no grant shows it, the field is not in the schema of who asks.",
        MASKED="Redacted, or withheld where it has no mask.",
        LOOKUP="Redacted, but found by its exact value.",
        READ="In full.",
    ),
    enum_of(
        RowRule,
        ALL="Every record.",
        TEAM="Records of the viewer's teams.",
        TEAM_AND_BELOW="Records of the viewer's teams and those below.",
        OWN="Records that the viewer owns or works on.",
        WHERE="Records that meet a stored condition.",
    ),
    enum_of(
        GrantState,
        IN_FORCE="It holds on the records that its row rule matches.",
        CUT="The scopes of the client take it away.",
        UNREADABLE="Its condition names what is no longer there; it holds for no record.",
        EMPTY="It names no level that counts.",
    ),
    enum_of(
        Idle,
        NOBODY_HOLDS="Nobody has its role, or one that inherits it.",
        COVERED="A grant on every record, of the same role or one that it inherits, gives no less.",
        UNREADABLE="Its condition names what is no longer there; it holds for no record.",
        EMPTY="It names no level that counts.",
    ),
)


@strawberry.type(description="One grant, and what it gives of a field, or of the record as a whole.")
class GrantExplanation:
    role: str = strawberry.field(description="Key of the role that has it.")
    through: list[str] = strawberry.field(
        description="The roles by which it came: the one that is held, those that inherit it in turn, and the one that"
        " has it."
    )
    row_rule: RowRule = strawberry.field(description="Which records it is about.")
    predicate: str | None = strawberry.field(description="The condition of a row rule WHERE, as JSON.")
    state: GrantState = strawberry.field(description="Whether it is in force.")
    level: AccessLevel = strawberry.field(description="What it shows of the field.")
    writable: bool = strawberry.field(description="Whether it lets the field be written.")
    matches: bool | None = strawberry.field(
        description="Whether the record is one of its records; null where that depends on the record or the user."
    )
    decides: bool = strawberry.field(description="Whether it gives the level that counts.")
    words: str = strawberry.field(description="The same in words, in the language of the request.")


@strawberry.type(description="Why a role, user or client sees a field, or a record, or does not.")
class AccessExplanation:
    type: str = strawberry.field(description="The type of records.")
    field: str | None = strawberry.field(description="The field; null for the record as a whole.")
    record_exists: bool | None = strawberry.field(description="Whether there is such a record; null without an id.")
    visible: bool | None = strawberry.field(description="Whether the record is seen at all; null where that depends.")
    level: AccessLevel = strawberry.field(description="What is shown; the most of it where records differ.")
    conditional: bool = strawberry.field(description="Whether it depends on the record or the user.")
    writable: bool = strawberry.field(description="Whether it can be changed, by a grant and the action to update.")
    summary: str = strawberry.field(description="The verdict in words, in the language of the request.")
    grants: list[GrantExplanation] = strawberry.field(description="Every grant of the role set on the type.")


@strawberry.type(description="What a role gives of a field.")
class RoleAccess:
    role: str = strawberry.field(description="Key of the role.")
    label: Labels = strawberry.field(description="What people call it.")
    level: AccessLevel = strawberry.field(description="The most that it shows.")
    conditional: bool = strawberry.field(description="Whether some records show less, or are not seen.")
    writable: bool = strawberry.field(description="Whether it can change the field on some records.")
    users: int = strawberry.field(description="How many active users and service accounts have it now, themselves.")
    grants: list[GrantExplanation] = strawberry.field(description="The grants on the type that it has and inherits.")


@strawberry.type(description="A grant that does nothing.")
class IdleGrant:
    grant: GrantExplanation = strawberry.field(description="The grant, of the record as a whole.")
    reason: Idle = strawberry.field(description="Why it does nothing.")
    words: str = strawberry.field(description="The same in words, in the language of the request.")


@strawberry.type(description="Who can see or change a field.")
class AccessReport:
    type: str = strawberry.field(description="The type of records.")
    field: str = strawberry.field(description="The field.")
    roles: list[RoleAccess] = strawberry.field(description="The roles that show it, by key.")
    unheld_roles: list[str] = strawberry.field(description="Roles that no active user has or inherits, by key.")
    idle_grants: list[IdleGrant] = strawberry.field(description="Grants on the type that do nothing.")


_TYPE = Argument(str, "A type of records, such as `Customer`.")
_FIELD = "A field of it, such as `phone`, `custom.loyaltyCard` or `contactPoints.raw`"


def questions() -> Mapping[str, Member]:
    """The root fields."""
    for declaration in ENUMS:
        define_enum(declaration)
    return {
        "explain_access": Member(
            AccessExplanation,
            "Which grant decides what a role, user or client sees. It tells nothing of the record but that it is there"
            " and which row rules match it.",
            {
                "role": Argument(str | None, "Key of a role. Give one of role, user and client."),
                "user": Argument(strawberry.ID | None, "Id of a user."),
                "client": Argument(str | None, "Id of a client: its service account, cut to its scopes."),
                "type": _TYPE,
                "field": Argument(str | None, f"{_FIELD}; the record as a whole if nothing is said."),
                "id": Argument(strawberry.ID | None, "Id of a record; if nothing is said, of records in general."),
            },
        ),
        "access_report": Member(
            AccessReport,
            "Which roles can see or change a field, how many have them, and which grants do nothing.",
            {"type": _TYPE, "field": Argument(str, f"{_FIELD}.")},
        ),
    }
