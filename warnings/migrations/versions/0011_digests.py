"""Messages that go out with others: which one carries them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_CARRIED = sa.text("digest_id IS NOT NULL")


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.add_column(sa.Column("digest_id", sa.Integer(), nullable=True))
        batch_op.create_index(
            "ix_outbox_digest",
            ["digest_id"],
            sqlite_where=_CARRIED,
            postgresql_where=_CARRIED,
        )


def downgrade() -> None:
    """Take back; what is carried by others goes out by itself."""
    op.execute("UPDATE outbox SET status = 'PENDING' WHERE status = 'MERGED'")
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.drop_index("ix_outbox_digest")
        batch_op.drop_column("digest_id")
