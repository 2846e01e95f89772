"""`auditedReads`, as auditors see it."""

from collections.abc import Mapping
from datetime import datetime

import strawberry

from crm_graph.schema.building import Member
from crm_graph.schema.entities import EntityTypes
from crm_graph.schema.listings import listed
from crm_graph.schema.scalars import JSON
from crm_graph.services.audited_reads import AUDITED_READS


@strawberry.type(description="One read that matters: who was told of what, and when.")
class AuditedRead:
    id: strawberry.ID = strawberry.field(description="Its id in the event log.")
    type: str = strawberry.field(
        description="What was read and how: `customer.looked_up`, `customer.unmasked`, `customer.duplicate_checked`,"
        " `customer.paged`, `customer.explained`, `role.simulated`, `export.created`, `export.started`,"
        " `export.downloaded`, `file.downloaded` and so on."
    )
    at: datetime = strawberry.field(description="When, in UTC.")
    actor_id: strawberry.ID | None = strawberry.field(
        description="Who was told: a user, or a client's service account."
    )
    actor_name: str | None = strawberry.field(description="What people call them now.")
    client_id: str | None = strawberry.field(description="The OAuth client that asked; null for none.")
    source: str = strawberry.field(description="The system that the client stands for, or `api`.")
    request_id: str | None = strawberry.field(description="The request; all that it was told has the same.")
    record_type: str = strawberry.field(
        description="The type of records, in snake_case; `export` or `file` for a file."
    )
    record_id: strawberry.ID | None = strawberry.field(
        description="The record; null where none was found, or too many to name each."
    )
    customer_id: strawberry.ID | None = strawberry.field(description="The customer that the record is of.")
    fields: list[str] = strawberry.field(description="The fields that it was about.")
    records: int = strawberry.field(description="How many records were told of.")
    looked_for: str | None = strawberry.field(
        description="A keyed hash of the value that was looked for, equal for equal ones; nothing can be read in it."
    )
    reason: str | None = strawberry.field(description="Why, in the words of who asked, where they had to say so.")
    details: JSON = strawberry.field(description="What else there is to say of it.")


@strawberry.input(description="Which reads; all of these together.")
class AuditedReadWhere:
    types: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Of one of these types.")
    actor: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="By this user.")
    record: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="Of this record.")
    customer: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Of this customer, and of records that are this customer's."
    )
    looked_for: str | None = strawberry.field(
        default=strawberry.UNSET, description="For the value whose keyed hash this is."
    )
    since: datetime | None = strawberry.field(default=strawberry.UNSET, description="At this moment or later.")
    until: datetime | None = strawberry.field(default=strawberry.UNSET, description="Before this moment.")


def audited_reads(types: EntityTypes) -> Mapping[str, Member]:
    """The root field."""
    about = "Reads that matter, the newest first: what was looked up, unmasked, checked, exported, or paged in bulk."
    return {AUDITED_READS.name: listed(AUDITED_READS, AuditedRead, AuditedReadWhere, types, one="read", about=about)}
