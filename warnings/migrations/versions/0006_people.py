"""People who leave keep their row, and numbers are encrypted."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("recipient") as batch_op:
        batch_op.add_column(sa.Column("removed_at", sa.String(length=20), nullable=True))
        batch_op.add_column(sa.Column("phone_key", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("phone_index", sa.LargeBinary(length=32), nullable=True))
        batch_op.add_column(sa.Column("phone_cipher", sa.LargeBinary(), nullable=True))
        batch_op.create_index(batch_op.f("ix_recipient_phone_index"), ["phone_index"])


def downgrade() -> None:
    """Take back: who has left is told and called on again, numbers are lost."""
    with op.batch_alter_table("recipient") as batch_op:
        batch_op.drop_index(batch_op.f("ix_recipient_phone_index"))
        batch_op.drop_column("phone_cipher")
        batch_op.drop_column("phone_index")
        batch_op.drop_column("phone_key")
        batch_op.drop_column("removed_at")
