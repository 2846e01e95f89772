"""The index behind the stages of a pipeline in their default order."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_stages_pipeline_id_id",
            "stages",
            ["pipeline_id", "id"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_stages_pipeline_id_id", table_name="stages", postgresql_concurrently=True, if_exists=True)
