"""Changes of rights are found in the event log, proposals expire, and claims of suspended issuers give nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

OF_RIGHTS = "entity_type IN ('client', 'issuer', 'rights_proposal', 'role', 'team', 'user') AND NOT is_read"
CHANGES = {"ix_events_rights": ["id"], "ix_events_rights_entity_id_id": ["entity_id", "id"]}
STATES = "'PENDING', 'APPROVED', 'REJECTED'"


def upgrade() -> None:
    for name, columns in CHANGES.items():
        op.create_index(name, "events", columns, postgresql_where=sa.text(OF_RIGHTS))
    _allow(f"{STATES}, 'EXPIRED'")
    op.execute("DELETE FROM user_roles h USING issuers s WHERE h.origin = 'issuer:' || s.id AND s.status <> 'ACTIVE'")
    op.execute("DELETE FROM team_members h USING issuers s WHERE h.origin = 'issuer:' || s.id AND s.status <> 'ACTIVE'")


def downgrade() -> None:
    op.execute("UPDATE rights_proposals SET state = 'REJECTED' WHERE state = 'EXPIRED'")
    _allow(STATES)
    for name in CHANGES:
        op.drop_index(name, table_name="events")


def _allow(states: str) -> None:
    op.drop_constraint(op.f("ck_rights_proposals_proposalstate"), "rights_proposals", type_="check")
    op.create_check_constraint(op.f("ck_rights_proposals_proposalstate"), "rights_proposals", f"state IN ({states})")
