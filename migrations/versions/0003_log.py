"""The transparency log's entries, consumers' acknowledgements of list versions, and where receipts are mailed to."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KINDS = ("opt_out_filed", "opt_out_listed", "opt_out_withdrawn", "list_published", "run_recorded")


def upgrade() -> None:
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.add_column(sa.Column("email", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.alter_column("email", server_default=None)
    op.create_table(
        "acknowledgement",
        sa.Column("id", ID, nullable=False),
        sa.Column("token_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("manifest", sa.String(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("dropped", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["token_id"], ["api_token.id"], name=op.f("fk_acknowledgement_token_id_api_token")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acknowledgement")),
    )
    with op.batch_alter_table("acknowledgement", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_acknowledgement_token_id"), ["token_id"], unique=False)
    op.create_table(
        "log_entry",
        sa.Column("id", ID, nullable=False),
        sa.Column("public_id", sa.String(), nullable=False),
        sa.Column("kind", sa.Enum(*KINDS, name="logkind", native_enum=False, length=32), nullable=False),
        sa.Column("request_id", ID, nullable=True),
        sa.Column("run_id", ID, nullable=True),
        sa.Column("list_version", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("leaf_index", sa.BigInteger(), nullable=True),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["request_id"], ["rights_request.id"], name=op.f("fk_log_entry_request_id_rights_request")),
        sa.ForeignKeyConstraint(["run_id"], ["training_run.id"], name=op.f("fk_log_entry_run_id_training_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_entry")),
        sa.UniqueConstraint("leaf_index", name=op.f("uq_log_entry_leaf_index")),
        sa.UniqueConstraint("public_id", name=op.f("uq_log_entry_public_id")),
    )
    waiting = sa.text("leaf_index IS NULL")
    with op.batch_alter_table("log_entry", schema=None) as batch_op:
        batch_op.create_index("ix_log_entry_waiting", ["id"], unique=False, sqlite_where=waiting, postgresql_where=waiting)
        batch_op.create_index(batch_op.f("ix_log_entry_list_version"), ["list_version"], unique=False)
        batch_op.create_index(batch_op.f("ix_log_entry_request_id"), ["request_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_log_entry_run_id"), ["run_id"], unique=False)

    with op.batch_alter_table("exclusion_entry", schema=None) as batch_op:
        batch_op.create_index(
            "ix_exclusion_entry_ending",
            ["until_version", "since_version"],
            unique=False,
            sqlite_where=sa.text("ended IS 1"),
            postgresql_where=sa.text("ended IS TRUE"),
        )


def downgrade() -> None:
    with op.batch_alter_table("exclusion_entry", schema=None) as batch_op:
        batch_op.drop_index("ix_exclusion_entry_ending")
    op.drop_table("log_entry")
    op.drop_table("acknowledgement")
    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.drop_column("email")
