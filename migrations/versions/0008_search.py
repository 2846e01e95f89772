"""The search index. It is empty at first; what is there already is filled in after the migrations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "search_documents",
        sa.Column("code", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("entity_id", sa.Uuid(), nullable=False),
        sa.Column("keys", TSVECTOR(), nullable=False),
        sa.PrimaryKeyConstraint("code", "entity_id", name=op.f("pk_search_documents")),
    )
    # Every search reads what waits to be sorted into the index, so that little may wait.
    op.create_index(
        "ix_search_documents_keys",
        "search_documents",
        ["keys"],
        postgresql_using="gin",
        postgresql_with={"gin_pending_list_limit": 256},
    )
    # A search takes milliseconds, which is less than starting parallel workers takes.
    op.execute(
        "ALTER TABLE search_documents SET"
        " (parallel_workers = 0, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02)"
    )


def downgrade() -> None:
    op.drop_table("search_documents")
