"""What was opted out is named before its copies are searched for, and work of one kind and owner waits in one row of the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Until now both steps were one. A search that was promised before goes through the first step: it has the same name."""
    op.add_column("opt_out", sa.Column("named_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE opt_out SET named_at = propagated_at")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("turn", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.alter_column("turn", server_default=None)
        batch_op.create_index(
            "ix_outbox_turn",
            ["topic", "turn"],
            unique=False,
            sqlite_where=sa.text("done_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL"),
        )


def downgrade() -> None:
    """A search that was promised to an owner is promised again to each of their opt-outs; one of a manifest begins anew."""
    promised = """
        INSERT INTO outbox (topic, payload, created_at, available_at, attempts, last_error, turn)
        SELECT 'propagate_opt_outs', {payload}, waiting.created_at, waiting.available_at, 0, '', ''
        FROM outbox AS waiting JOIN opt_out ON opt_out.owner = waiting.turn
        WHERE waiting.topic = 'search_copies' AND waiting.done_at IS NULL
        AND opt_out.propagated_at IS NULL AND opt_out.withdrawn_at IS NULL
    """
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    payload = "json_build_object('opt_out_id', opt_out.id)" if is_postgresql else "json_object('opt_out_id', opt_out.id)"
    op.execute(promised.format(payload=payload))
    op.execute("DELETE FROM outbox WHERE topic = 'search_copies'")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_turn")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_column("turn")
    op.drop_column("opt_out", "named_at")  # in place: other tables point to this one, so SQLite must not make it anew
