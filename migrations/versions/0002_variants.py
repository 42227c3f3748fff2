"""Opt-outs keep the hashes of all variants of their picture, packed (rights/variants.py), in place of the eight orientations as JSON."""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BATCH = 1000
HEADER = b"\x01\x01\x00"  # layout 1 with one edit, whose name is empty: the picture as it stands
RECORD = 43
opt_out = sa.table(
    "opt_out",
    sa.column("id", sa.BigInteger()),
    sa.column("pdq_quality", sa.Integer()),
    sa.column("dihedral", sa.JSON()),
    sa.column("variants", sa.LargeBinary()),
)


def upgrade() -> None:
    with op.batch_alter_table("opt_out", schema=None) as batch_op:
        batch_op.add_column(sa.Column("variants", sa.LargeBinary(), nullable=True))
    for rows in _batches(opt_out.c.pdq_quality, opt_out.c.dihedral):
        _write([{"row": row.id, "variants": _packed(row.dihedral, row.pdq_quality)} for row in rows if row.dihedral])
    with op.batch_alter_table("opt_out", schema=None) as batch_op:
        batch_op.drop_column("dihedral")


def downgrade() -> None:
    with op.batch_alter_table("opt_out", schema=None) as batch_op:
        batch_op.add_column(sa.Column("dihedral", sa.JSON(), nullable=False, server_default="[]"))
    for rows in _batches(opt_out.c.variants):
        _write([{"row": row.id, "dihedral": _orientations(row.variants)} for row in rows if row.variants])
    with op.batch_alter_table("opt_out", schema=None) as batch_op:
        batch_op.alter_column("dihedral", server_default=None)
        batch_op.drop_column("variants")


def _batches(*columns: sa.ColumnClause[object]) -> Iterator[list[sa.Row[tuple[object, ...]]]]:
    last = -1
    while True:
        page = sa.select(opt_out.c.id, *columns).where(opt_out.c.id > last).order_by(opt_out.c.id).limit(BATCH)
        rows = list(op.get_bind().execute(page))
        if not rows:
            return
        yield rows
        last = rows[-1].id


def _write(changes: list[dict[str, object]]) -> None:
    if changes:
        names = [name for name in changes[0] if name != "row"]
        same = sa.update(opt_out).where(opt_out.c.id == sa.bindparam("row"))
        op.get_bind().execute(same.values({name: sa.bindparam(name) for name in names}), changes)


def _packed(dihedral: list[str], quality: int) -> bytes:
    records = (bytes([0, number, quality]) + bytes.fromhex(hashes) for number, hashes in enumerate(dihedral))
    return HEADER + b"".join(records)


def _orientations(variants: bytes) -> list[str]:
    """The hashes of the picture as it stands; other edits had no place before."""
    names, at = [], 2
    for _ in range(variants[1]):
        names.append(variants[at + 1 : at + 1 + variants[at]])
        at += 1 + variants[at]
    records = [variants[start : start + RECORD] for start in range(at, len(variants), RECORD)]
    unedited = sorted((record[1], record[3:].hex()) for record in records if names[record[0]] == b"")
    return [hashes for _, hashes in unedited]
