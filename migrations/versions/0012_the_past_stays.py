"""Who ended an opt-out and why; when a run read the list, and that it began again; versions in which an entry was before it was renewed."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ENDED_BY = sa.Enum("member", "operator", "platform", name="endedby", native_enum=False, length=32)
DENIED = """SELECT 1 FROM log_entry WHERE log_entry.request_id = opt_out.request_id AND log_entry.kind = 'opt_out_denied'
AND log_entry.created_at = opt_out.withdrawn_at"""
BECAUSE = """UPDATE opt_out SET ended_because = (SELECT denied_because FROM rights_request WHERE rights_request.id = opt_out.request_id)
WHERE ended_by = 'operator'"""
BY_MEMBER = """UPDATE opt_out SET ended_by_member = COALESCE((SELECT account.public_id FROM account JOIN rights_request
ON rights_request.account_id = account.id WHERE rights_request.id = opt_out.request_id), '') WHERE ended_by = 'member'"""


def upgrade() -> None:
    """Of opt-outs that ended before, the log's statements say whether they were denied; the platform ends what it filed itself.

    Which spans were forgotten when entries were named again, and which list a run in training read, nobody knows any more.
    """
    op.add_column("opt_out", sa.Column("ended_by", ENDED_BY, nullable=True))
    for name in ("ended_because", "ended_by_member"):
        op.add_column("opt_out", sa.Column(name, sa.String(), nullable=False, server_default=""))
    for name in ("first_started_at", "list_read_at"):
        op.add_column("training_run", sa.Column(name, TIME, nullable=True))
    ended = "UPDATE opt_out SET ended_by = '{}' WHERE withdrawn_at IS NOT NULL AND ended_by IS NULL AND {}"
    op.execute(ended.format("platform", "origin = 'platform'"))
    op.execute(ended.format("operator", f"EXISTS ({DENIED})"))
    op.execute(ended.format("member", "origin = 'member'"))
    op.execute(BECAUSE)
    op.execute(BY_MEMBER)
    op.create_table(
        "past_entry",
        sa.Column("id", ID, nullable=False),
        sa.Column("opt_out_id", ID, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("since_version", sa.Integer(), nullable=False),
        sa.Column("until_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["opt_out_id"], ["opt_out.id"], name=op.f("fk_past_entry_opt_out_id_opt_out")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_past_entry")),
    )
    op.create_index(op.f("ix_past_entry_opt_out_id"), "past_entry", ["opt_out_id"], unique=False)
    op.create_index("ix_past_entry_kind_key", "past_entry", ["kind", "key"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_past_entry_kind_key", table_name="past_entry")
    op.drop_index(op.f("ix_past_entry_opt_out_id"), table_name="past_entry")
    op.drop_table("past_entry")
    for name in ("list_read_at", "first_started_at"):
        op.drop_column("training_run", name)
    for name in ("ended_by_member", "ended_because", "ended_by"):
        op.drop_column("opt_out", name)
