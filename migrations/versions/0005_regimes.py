"""UK and Swiss law are regimes of their own. Requests filed before keep theirs: nobody was asked which of the three it was."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The column takes any word of 32 letters; the new ones come with the code."""


def downgrade() -> None:
    """Until then the three were one answer: "I live in the EU, the EEA, Switzerland or the UK"."""
    op.execute("UPDATE rights_request SET regime = 'gdpr' WHERE regime IN ('uk_gdpr', 'swiss_fadp')")
