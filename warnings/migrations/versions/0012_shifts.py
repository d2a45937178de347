"""Duties that one person holds together, and who is on duty when."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("recipient") as batch_op:
        batch_op.add_column(sa.Column("holder", sa.String(length=64), nullable=True))
    op.create_table(
        "shift",
        sa.Column("shift_id", sa.Integer(), nullable=False),
        sa.Column("recipient_id", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.String(length=20), nullable=False),
        sa.Column("ends_at", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["recipient_id"],
            ["recipient.recipient_id"],
            name=op.f("fk_shift_recipient_id"),
        ),
        sa.PrimaryKeyConstraint("shift_id", name=op.f("pk_shift")),
        sa.UniqueConstraint(
            "recipient_id", "starts_at", name=op.f("uq_shift_recipient_id_starts_at")
        ),
    )
    with op.batch_alter_table("shift") as batch_op:
        batch_op.create_index("ix_shift_ends_at", ["ends_at"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("shift")
    with op.batch_alter_table("recipient") as batch_op:
        batch_op.drop_column("holder")
