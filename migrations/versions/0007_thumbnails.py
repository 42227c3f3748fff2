"""Thumbnails are made by jobs: one is promised for each manifest that is registered."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TOPIC = "make_thumbnails"
outbox = sa.table(
    "outbox",
    sa.column("topic", sa.String()),
    sa.column("payload", sa.JSON()),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("available_at", sa.DateTime(timezone=True)),
    sa.column("attempts", sa.Integer()),
    sa.column("last_error", sa.String()),
    sa.column("done_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    now = datetime.now(UTC)
    registered = op.get_bind().scalars(sa.text("SELECT id FROM manifest WHERE state = 'registered' ORDER BY id")).all()
    for manifest_id in registered:
        row = {"topic": TOPIC, "payload": {"manifest_id": manifest_id, "start": 0}, "attempts": 0, "last_error": ""}
        op.execute(outbox.insert().values(row | {"created_at": now, "available_at": now}))


def downgrade() -> None:
    op.execute(outbox.delete().where(outbox.c.topic == TOPIC, outbox.c.done_at.is_(None)))
