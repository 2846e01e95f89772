"""Edits of rights that wait for a second approver."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rights_proposals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("arguments", JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "PENDING",
                "APPROVED",
                "REJECTED",
                name="proposalstate",
                native_enum=False,
                create_constraint=True,
                length=64,
            ),
            server_default="PENDING",
            nullable=False,
        ),
        sa.Column("proposed_by_id", sa.Uuid(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "decided_by_id <> proposed_by_id OR state <> 'APPROVED'",
            name=op.f("ck_rights_proposals_approved_by_another"),
        ),
        sa.ForeignKeyConstraint(["decided_by_id"], ["users.id"], name=op.f("fk_rights_proposals_decided_by_id")),
        sa.ForeignKeyConstraint(["proposed_by_id"], ["users.id"], name=op.f("fk_rights_proposals_proposed_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rights_proposals")),
    )
    op.create_index("ix_rights_proposals_state_id", "rights_proposals", ["state", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("rights_proposals")
