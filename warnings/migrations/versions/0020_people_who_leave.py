"""People who leave keep their row: messages and answers refer to it."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("recipient") as batch_op:
        batch_op.add_column(sa.Column("removed_at", sa.String(length=20), nullable=True))


def downgrade() -> None:
    """Take back: who has left is told and called on again."""
    with op.batch_alter_table("recipient") as batch_op:
        batch_op.drop_column("removed_at")
