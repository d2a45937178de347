"""Second persons: proposals, holds on some cells, requests that are answered once."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_OPEN = sa.text("state = 'OPEN'")


def upgrade() -> None:
    """Apply."""
    op.add_column("hold", sa.Column("cells", sa.Text(), nullable=True))
    op.create_table(
        "proposal",
        sa.Column("proposal_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("hazard", sa.String(length=24), nullable=False),
        sa.Column("county", sa.String(length=6), nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("subject_zh", sa.String(length=128), nullable=False),
        sa.Column("subject_en", sa.String(length=128), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=True),
        sa.Column("step", sa.String(length=8), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("to_level", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("cells", sa.Text(), nullable=False),
        sa.Column("onset_min", sa.Float(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("rules", sa.String(length=64), nullable=False),
        sa.Column("proposed_by", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=20), nullable=False),
        sa.Column("seen_at", sa.String(length=20), nullable=False),
        sa.Column("due_at", sa.String(length=20), nullable=False),
        sa.Column("otherwise", sa.String(length=5), nullable=False),
        sa.Column("decided_at", sa.String(length=20), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=True),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["event_id"], ["event.event_id"], name=op.f("fk_proposal_event_id")
        ),
        sa.PrimaryKeyConstraint("proposal_id", name=op.f("pk_proposal")),
    )
    op.create_index(
        "ix_proposal_open",
        "proposal",
        ["status", "hazard", "county", "subject", "step", "level"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    op.create_table(
        "request",
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("actor", "idempotency_key", name=op.f("pk_request")),
    )
    op.create_index(op.f("ix_request_at"), "request", ["at"])


def downgrade() -> None:
    """Take back; proposals are lost, but for the audit, and holds on some cells end."""
    op.drop_table("request")
    op.drop_table("proposal")
    op.execute("DELETE FROM hold WHERE cells IS NOT NULL")
    with op.batch_alter_table("hold") as batch:
        batch.drop_column("cells")
