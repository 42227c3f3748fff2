"""Indexes of what comes into the list and leaves it with its next version; past spans of uids and owners alone: nobody asks for others."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COMING = "withdrawn_at IS NULL AND effective_version IS NULL AND named_at IS NOT NULL"
LEAVING = "withdrawn_at IS NOT NULL AND effective_version IS NOT NULL AND ended_version IS NULL"
EXEMPT = "effective_version IS NULL"
PARTIAL = (
    ("ix_opt_out_coming", "opt_out", ["effective_version"], COMING),
    ("ix_opt_out_leaving", "opt_out", ["ended_version"], LEAVING),
    ("ix_exemption_coming", "exemption", ["effective_version", "opt_out_id"], EXEMPT),
)


def upgrade() -> None:
    """Spans of other kinds of entries go for good: they name no photo."""
    for name, table, columns, where in PARTIAL:
        op.create_index(name, table, columns, unique=False, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_index(op.f("ix_rights_request_state"), "rights_request", ["state"], unique=False)
    op.execute("DELETE FROM past_entry WHERE kind NOT IN ('uid', 'owner')")


def downgrade() -> None:
    op.drop_index(op.f("ix_rights_request_state"), table_name="rights_request")
    for name, table, *_ in reversed(PARTIAL):
        op.drop_index(name, table_name=table)
