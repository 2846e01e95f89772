"""A key that signs tokens begins after it was published, knows how long its tokens hold, and may be dropped."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("signing_keys", sa.Column("signs_from", moment, server_default=sa.text("now()"), nullable=False))
    op.add_column(
        "signing_keys", sa.Column("token_lifetime_s", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("signing_keys", sa.Column("dropped_at", moment, nullable=True))
    op.execute("UPDATE signing_keys SET signs_from = created_at")


def downgrade() -> None:
    op.execute("DELETE FROM signing_keys WHERE dropped_at IS NOT NULL")
    for name in ("dropped_at", "token_lifetime_s", "signs_from"):
        op.drop_column("signing_keys", name)
