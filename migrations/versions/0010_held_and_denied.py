"""Why an opt-out is held, whether its picture was decoded by us, who contests it, and why a request was denied."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ADDED = (
    ("opt_out", "decoded", sa.Boolean(), sa.true()),
    ("opt_out", "held_because", sa.String(), ""),
    ("rights_request", "denied_because", sa.String(), ""),
)


def upgrade() -> None:
    """Of pictures that were looked up before, nobody wrote down whether we had decoded them: they count as fingerprints."""
    for table, name, kind, default in ADDED:
        op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))
    op.add_column("opt_out_match", sa.Column("contested_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE opt_out SET decoded = (scope <> 'picture')")
    op.execute("UPDATE opt_out SET held_because = 'reach' WHERE held")


def downgrade() -> None:
    """A held opt-out stays held."""
    op.drop_column("opt_out_match", "contested_at")
    for table, name, _, _ in reversed(ADDED):
        op.drop_column(table, name)
