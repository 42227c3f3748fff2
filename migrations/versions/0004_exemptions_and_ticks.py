"""Photos that stay in although everything else of their owner is opted out; and what a member has ticked so far."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "exemption",
        sa.Column("id", ID, nullable=False),
        sa.Column("opt_out_id", ID, nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("exempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("effective_version", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["opt_out_id"], ["opt_out.id"], name=op.f("fk_exemption_opt_out_id_opt_out"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exemption")),
        sa.UniqueConstraint("opt_out_id", "uid", name=op.f("uq_exemption_opt_out_id_uid")),
    )
    with op.batch_alter_table("exemption", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_exemption_uid"), ["uid"], unique=False)
    op.create_table(
        "ticked_photos",
        sa.Column("account_id", ID, nullable=False),
        sa.Column("uids", sa.JSON(), nullable=False),
        sa.Column("ticked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_ticked_photos_account_id_account"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_ticked_photos")),
    )


def downgrade() -> None:
    op.drop_table("ticked_photos")
    op.execute(_WHOLE_AGAIN)
    op.drop_table("exemption")


# The tables below know no exemption, so such an opt-out names everything of its owner again: what is forgotten here must not let photos in.
_WHOLE_AGAIN = """UPDATE exclusion_entry
SET ended = FALSE, since_version = CASE WHEN until_version IS NULL THEN since_version END, until_version = NULL
WHERE ended AND opt_out_id IN (
    SELECT opt_out.id FROM opt_out JOIN exemption ON exemption.opt_out_id = opt_out.id WHERE opt_out.withdrawn_at IS NULL
) AND NOT (kind = 'phash' AND opt_out_id IN (SELECT id FROM opt_out WHERE held))"""
