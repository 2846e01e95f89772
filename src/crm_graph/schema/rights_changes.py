"""`rightsChanges`, as who may read roles sees it."""

from collections.abc import Mapping
from datetime import datetime

import strawberry

from crm_graph.schema.building import Member
from crm_graph.schema.entities import EntityTypes
from crm_graph.schema.listings import listed
from crm_graph.schema.scalars import JSON
from crm_graph.services.rights_changes import RIGHTS_CHANGES


@strawberry.type(description="One change of rights: what was changed, by whom, when and why.")
class RightsChange:
    id: strawberry.ID = strawberry.field(description="Its id in the event log.")
    type: str = strawberry.field(
        description="What was done: `role.grants_set`, `role.updated`, `user.role_granted`, `user.suspended`,"
        " `client.registered`, `issuer.updated`, `rights.proposed`, `rights.approved` and so on."
    )
    at: datetime = strawberry.field(description="When, in UTC.")
    actor_id: strawberry.ID | None = strawberry.field(
        description="Who did it: a user, a client's service account, or the hub; of what was approved, who approved it."
    )
    actor_name: str | None = strawberry.field(description="What people call them now.")
    on_behalf_of_id: strawberry.ID | None = strawberry.field(description="Who proposed it, where it was approved.")
    client_id: str | None = strawberry.field(description="The OAuth client that asked; null for none.")
    source: str = strawberry.field(description="The system that the client stands for, or `api`.")
    request_id: str | None = strawberry.field(description="The request; all that it changed has the same.")
    about_type: str = strawberry.field(
        description="What was changed: `role`, `user`, `team`, `client`, `issuer` or `rights_proposal`."
    )
    about_id: strawberry.ID | None = strawberry.field(description="Its id.")
    about_name: str | None = strawberry.field(
        description="The key of a role, the name of a user or team, the `clientId` of a client, the `url` of an issuer;"
        " null for a proposal."
    )
    version: int = strawberry.field(description="The version that it had then.")
    changed: list[str] = strawberry.field(description="The names of what changed.")
    before: JSON = strawberry.field(description="What they were; personal data are masked.")
    after: JSON = strawberry.field(description="What they are since then; personal data are masked.")
    reason: str | None = strawberry.field(description="Why, in the words of who did it, or proposed it.")


@strawberry.input(description="Which changes; all of these together.")
class RightsChangeWhere:
    types: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Of one of these types.")
    about: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Of this role, user, team, client, issuer or proposal."
    )
    by: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="By this user, or proposed by them."
    )
    since: datetime | None = strawberry.field(default=strawberry.UNSET, description="At this moment or later.")
    until: datetime | None = strawberry.field(default=strawberry.UNSET, description="Before this moment.")


def rights_changes(types: EntityTypes) -> Mapping[str, Member]:
    """The root field."""
    about = "Changes of roles, people, teams, clients and issuers, and proposals of them, the newest first."
    member = listed(RIGHTS_CHANGES, RightsChange, RightsChangeWhere, types, one="change", about=about)
    return {RIGHTS_CHANGES.name: member}
