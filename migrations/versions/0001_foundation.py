"""The foundation: people, decisions, list versions, runs, outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.String(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("public_id", name=op.f("uq_account_public_id")),
    )
    op.create_table(
        "api_token",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_token_digest")),
        sa.UniqueConstraint("name", name=op.f("uq_api_token_name")),
    )
    op.create_table(
        "audit_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_event_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_event_subject"), ["subject"], unique=False)

    op.create_table(
        "exclusion_list_version",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("removed", sa.Integer(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_exclusion_list_version")),
    )
    op.create_table(
        "manifest",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.Enum("importing", "registered", name="manifeststate", native_enum=False, length=32), nullable=False),
        sa.Column("catalogue", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manifest")),
        sa.UniqueConstraint("name", name=op.f("uq_manifest_name")),
        sa.UniqueConstraint("public_id", name=op.f("uq_manifest_public_id")),
    )
    with op.batch_alter_table("manifest", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_manifest_digest"), ["digest"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(
            "ix_outbox_due",
            ["available_at"],
            unique=False,
            sqlite_where=sa.text("done_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL"),
        )

    op.create_table(
        "platform_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_event")),
        sa.UniqueConstraint("event_id", name=op.f("uq_platform_event_event_id")),
    )
    op.create_table(
        "training_run",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "state", sa.Enum("queued", "training", "recorded", "failed", name="runstate", native_enum=False, length=32), nullable=False
        ),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("directory", sa.String(), nullable=False),
        sa.Column("failure", sa.String(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("list_version", sa.Integer(), nullable=True),
        sa.Column("list_root", sa.String(), nullable=True),
        sa.Column("consumed_root", sa.String(), nullable=True),
        sa.Column("consumed_size", sa.BigInteger(), nullable=True),
        sa.Column("weights_digest", sa.String(), nullable=True),
        sa.Column("record_digest", sa.String(), nullable=True),
        sa.Column("dropped", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_run")),
        sa.UniqueConstraint("name", name=op.f("uq_training_run_name")),
        sa.UniqueConstraint("public_id", name=op.f("uq_training_run_public_id")),
        sa.UniqueConstraint("run_id", name=op.f("uq_training_run_run_id")),
    )
    op.create_table(
        "web_session",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_web_session")),
    )
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_web_session_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "identity",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("iss", sa.String(), nullable=False),
        sa.Column("sub", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_identity_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity")),
        sa.UniqueConstraint("iss", "sub", name=op.f("uq_identity_iss_sub")),
    )
    with op.batch_alter_table("identity", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_identity_owner"), ["owner"], unique=False)

    op.create_table(
        "rights_request",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Enum("objection", name="requestkind", native_enum=False, length=32), nullable=False),
        sa.Column("regime", sa.Enum("gdpr", "ccpa", "voluntary", name="regime", native_enum=False, length=32), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "in_progress", "fulfilled", "denied", "revoked", "expired", name="requeststate", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_rights_request_account_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rights_request")),
        sa.UniqueConstraint("public_id", name=op.f("uq_rights_request_public_id")),
        sa.UniqueConstraint("reference", name=op.f("uq_rights_request_reference")),
    )
    with op.batch_alter_table("rights_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rights_request_account_id"), ["account_id"], unique=False)

    op.create_table(
        "training_run_manifest",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("manifest_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["manifest_id"], ["manifest.id"], name=op.f("fk_training_run_manifest_manifest_id_manifest")),
        sa.ForeignKeyConstraint(["run_id"], ["training_run.id"], name=op.f("fk_training_run_manifest_run_id_training_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_run_manifest")),
        sa.UniqueConstraint("run_id", "digest", name=op.f("uq_training_run_manifest_run_id_digest")),
    )
    with op.batch_alter_table("training_run_manifest", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_training_run_manifest_manifest_id"), ["manifest_id"], unique=False)

    op.create_table(
        "opt_out",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.String(), nullable=False),
        sa.Column("request_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("origin", sa.Enum("member", "platform", name="optoutorigin", native_enum=False, length=32), nullable=False),
        sa.Column("scope", sa.Enum("photo", "owner", "picture", name="optoutscope", native_enum=False, length=32), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("phash", sa.String(), nullable=True),
        sa.Column("pdq", sa.String(), nullable=True),
        sa.Column("pdq_quality", sa.Integer(), nullable=True),
        sa.Column("dihedral", sa.JSON(), nullable=False),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("propagated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("effective_version", sa.Integer(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_version", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["request_id"], ["rights_request.id"], name=op.f("fk_opt_out_request_id_rights_request")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opt_out")),
        sa.UniqueConstraint("public_id", name=op.f("uq_opt_out_public_id")),
    )
    with op.batch_alter_table("opt_out", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_opt_out_owner"), ["owner"], unique=False)
        batch_op.create_index(batch_op.f("ix_opt_out_request_id"), ["request_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_opt_out_subject"), ["subject"], unique=False)
        batch_op.create_index(
            "uq_opt_out_active",
            ["origin", "scope", "owner", "subject"],
            unique=True,
            sqlite_where=sa.text("withdrawn_at IS NULL"),
            postgresql_where=sa.text("withdrawn_at IS NULL"),
        )

    op.create_table(
        "rights_request_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "in_progress", "fulfilled", "denied", "revoked", "expired", name="requeststate", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("note", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["rights_request.id"], name=op.f("fk_rights_request_event_request_id_rights_request")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rights_request_event")),
    )
    with op.batch_alter_table("rights_request_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rights_request_event_request_id"), ["request_id"], unique=False)

    op.create_table(
        "exclusion_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("opt_out_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("pdq", sa.String(), nullable=False),
        sa.Column("since_version", sa.Integer(), nullable=True),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("until_version", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["opt_out_id"], ["opt_out.id"], name=op.f("fk_exclusion_entry_opt_out_id_opt_out")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exclusion_entry")),
        sa.UniqueConstraint("opt_out_id", "kind", "key", "pdq", name=op.f("uq_exclusion_entry_opt_out_id_kind_key_pdq")),
    )
    with op.batch_alter_table("exclusion_entry", schema=None) as batch_op:
        batch_op.create_index("ix_exclusion_entry_kind_key", ["kind", "key"], unique=False)
        batch_op.create_index("ix_exclusion_entry_versions", ["until_version", "since_version"], unique=False)

    op.create_table(
        "opt_out_match",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("opt_out_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("manifest_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("phash_distance", sa.Integer(), nullable=True),
        sa.Column("pdq_distance", sa.Integer(), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("declined_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["manifest_id"], ["manifest.id"], name=op.f("fk_opt_out_match_manifest_id_manifest")),
        sa.ForeignKeyConstraint(["opt_out_id"], ["opt_out.id"], name=op.f("fk_opt_out_match_opt_out_id_opt_out"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_opt_out_match")),
        sa.UniqueConstraint("opt_out_id", "manifest_id", "position", name=op.f("uq_opt_out_match_opt_out_id_manifest_id_position")),
    )
    with op.batch_alter_table("opt_out_match", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_opt_out_match_manifest_id"), ["manifest_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_opt_out_match_opt_out_id"), ["opt_out_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_opt_out_match_owner"), ["owner"], unique=False)
        batch_op.create_index(batch_op.f("ix_opt_out_match_uid"), ["uid"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("opt_out_match", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_opt_out_match_uid"))
        batch_op.drop_index(batch_op.f("ix_opt_out_match_owner"))
        batch_op.drop_index(batch_op.f("ix_opt_out_match_opt_out_id"))
        batch_op.drop_index(batch_op.f("ix_opt_out_match_manifest_id"))

    op.drop_table("opt_out_match")
    with op.batch_alter_table("exclusion_entry", schema=None) as batch_op:
        batch_op.drop_index("ix_exclusion_entry_versions")
        batch_op.drop_index("ix_exclusion_entry_kind_key")

    op.drop_table("exclusion_entry")
    with op.batch_alter_table("rights_request_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rights_request_event_request_id"))

    op.drop_table("rights_request_event")
    with op.batch_alter_table("opt_out", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_opt_out_active", sqlite_where=sa.text("withdrawn_at IS NULL"), postgresql_where=sa.text("withdrawn_at IS NULL")
        )
        batch_op.drop_index(batch_op.f("ix_opt_out_subject"))
        batch_op.drop_index(batch_op.f("ix_opt_out_request_id"))
        batch_op.drop_index(batch_op.f("ix_opt_out_owner"))

    op.drop_table("opt_out")
    with op.batch_alter_table("training_run_manifest", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_training_run_manifest_manifest_id"))

    op.drop_table("training_run_manifest")
    with op.batch_alter_table("rights_request", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rights_request_account_id"))

    op.drop_table("rights_request")
    with op.batch_alter_table("identity", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_identity_owner"))
        batch_op.drop_index(batch_op.f("ix_identity_account_id"))

    op.drop_table("identity")
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_web_session_expires_at"))

    op.drop_table("web_session")
    op.drop_table("training_run")
    op.drop_table("platform_event")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_due", sqlite_where=sa.text("done_at IS NULL"), postgresql_where=sa.text("done_at IS NULL"))

    op.drop_table("outbox")
    with op.batch_alter_table("manifest", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_manifest_digest"))

    op.drop_table("manifest")
    op.drop_table("exclusion_list_version")
    with op.batch_alter_table("audit_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_event_subject"))
        batch_op.drop_index(batch_op.f("ix_audit_event_at"))

    op.drop_table("audit_event")
    op.drop_table("api_token")
    op.drop_table("account")
