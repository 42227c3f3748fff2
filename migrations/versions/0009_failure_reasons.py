"""Why a run failed is one of few reasons, and an error is kept as its class: what programs say may name photos, people and paths."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

REASONS = ("no_manifest", "refused", "interrupted", "failed", "record_refused")


def upgrade() -> None:
    """What was said before is forgotten, here and in the audit trail. Columns change in place: other tables point to this one."""
    reason = sa.Enum(*REASONS, name="failurereason", native_enum=False, length=32)
    op.add_column("training_run", sa.Column("failure_reason", reason, nullable=True))
    op.execute("UPDATE training_run SET failure_reason = 'failed' WHERE state = 'failed'")
    op.drop_column("training_run", "failure")
    op.execute("UPDATE audit_event SET detail = '{}' WHERE action = 'run.failed'")
    op.execute("UPDATE outbox SET last_error = '' WHERE last_error <> ''")


def downgrade() -> None:
    op.add_column("training_run", sa.Column("failure", sa.String(), nullable=False, server_default=""))
    op.execute("UPDATE training_run SET failure = 'The run failed.' WHERE state = 'failed'")
    op.drop_column("training_run", "failure_reason")
