"""How far the search index is filled with the records that were there before it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "search_fills",
        sa.Column("code", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("made_of", sa.Text(), nullable=False),
        sa.Column("filled_to", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_search_fills")),
    )


def downgrade() -> None:
    op.drop_table("search_fills")
