"""Sessions say by which sign-in they were begun and when they were last used; used logout tokens. Whoever is signed in signs in once more.

Addresses that a mail server would read as others are forgotten; the next sign-in brings them again if they are good.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAMES = ("iss", "sub", "sid")


def upgrade() -> None:
    # A session of before names no identity, so a logout by the provider could not end it.
    op.execute("DELETE FROM web_session")
    op.execute("UPDATE account SET email = '' WHERE email LIKE '%=?%' OR email LIKE '%..%' OR email LIKE '.%' OR email LIKE '%.@%'")
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.add_column(sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False))
        batch_op.add_column(sa.Column("account_id", ID, nullable=True))
        for name in NAMES:
            batch_op.add_column(sa.Column(name, sa.String(), nullable=False))
        batch_op.add_column(sa.Column("sealed", sa.LargeBinary(), nullable=True))
        batch_op.create_foreign_key(batch_op.f("fk_web_session_account_id_account"), "account", ["account_id"], ["id"])
        batch_op.create_index(batch_op.f("ix_web_session_account_id"), ["account_id"], unique=False)
        batch_op.create_index("ix_web_session_iss_sub", ["iss", "sub"], unique=False)
        batch_op.create_index("ix_web_session_iss_sid", ["iss", "sid"], unique=False)
    op.create_table(
        "used_logout_token",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_used_logout_token")),
    )
    with op.batch_alter_table("used_logout_token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_used_logout_token_expires_at"), ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("used_logout_token")
    op.execute("DELETE FROM web_session")  # whose sign-in the earlier version cannot read
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.drop_index("ix_web_session_iss_sid")
        batch_op.drop_index("ix_web_session_iss_sub")
        batch_op.drop_index(batch_op.f("ix_web_session_account_id"))
        batch_op.drop_constraint(batch_op.f("fk_web_session_account_id_account"), type_="foreignkey")
        for name in ("sealed", *reversed(NAMES), "account_id", "seen_at"):
            batch_op.drop_column(name)
