"""The roles of a user, as who reads roles sees them."""

from datetime import datetime

import strawberry

from crm_graph.schema.labels import Labels


@strawberry.type(description="A role that a user was given.")
class HeldRole:
    key: str = strawberry.field(description="Key of the role.")
    label: Labels = strawberry.field(description="What people call it.")
    origin: str = strawberry.field(description="What gave it: `manual`, or where else it came from.")
    until: datetime | None = strawberry.field(description="When it ends by itself, in UTC; null for no end.")
    expired: bool = strawberry.field(description="Whether it has ended.")
