"""Whom a statement without a request is about; how a copy differs; when an owner was mailed that their photo was taken out."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ADDED = (("told_at", sa.DateTime(timezone=True)), ("edit", sa.String()), ("dihedral", sa.Integer()))


def upgrade() -> None:
    """What was taken out before counts as told: My photos show it, and no upgrade sends mail to everybody."""
    for name, kind in ADDED:
        op.add_column("opt_out_match", sa.Column(name, kind, nullable=True))
    op.execute(
        "UPDATE opt_out_match SET told_at = (SELECT filed_at FROM opt_out WHERE opt_out.id = opt_out_match.opt_out_id) "
        "WHERE kind <> 'proposed' OR accepted_at IS NOT NULL"
    )
    with op.batch_alter_table("log_entry", schema=None) as batch_op:
        batch_op.add_column(sa.Column("account_id", ID, nullable=True))
        batch_op.create_foreign_key(batch_op.f("fk_log_entry_account_id_account"), "account", ["account_id"], ["id"])
        batch_op.create_index(batch_op.f("ix_log_entry_account_id"), ["account_id"], unique=False)


def downgrade() -> None:
    """Statements about contests stay, with their leaves."""
    with op.batch_alter_table("log_entry", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_log_entry_account_id"))
        batch_op.drop_constraint(batch_op.f("fk_log_entry_account_id_account"), type_="foreignkey")
        batch_op.drop_column("account_id")
    for name, _ in reversed(ADDED):
        op.drop_column("opt_out_match", name)
