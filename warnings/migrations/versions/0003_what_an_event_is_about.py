"""What an event is about beside its county: a gauge or a reservoir."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COLUMNS = (("subject", 32), ("subject_zh", 128), ("subject_en", 128))


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("event") as batch_op:
        for name, length in _COLUMNS:
            column = sa.Column(name, sa.String(length), nullable=False, server_default="")
            batch_op.add_column(column)


def downgrade() -> None:
    """Take back; events of gauges and reservoirs become events of their counties."""
    with op.batch_alter_table("event") as batch_op:
        for name, _ in reversed(_COLUMNS):
            batch_op.drop_column(name)
