"""Channels in their order, endpoints that are gone, reports from the place, telephone calls."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("channel") as batch_op:
        batch_op.add_column(sa.Column("disabled_at", sa.String(length=20), nullable=True))
        batch_op.add_column(sa.Column("disabled_cause", sa.Text(), nullable=True))
    op.create_table(
        "route",
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("chain", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["channel"], ["channel.name"], name=op.f("fk_route_channel")),
        sa.PrimaryKeyConstraint("status", "chain", "role", "level", "place", name=op.f("pk_route")),
    )
    op.create_index("ix_route_channel", "route", ["status", "channel", "role", "level"])
    op.drop_index("ix_outbox_claim", "outbox")
    waiting = sa.text("status = 'PENDING'")
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["priority", "outbox_id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index("ix_outbox_status", "outbox", ["status", "channel"])
    _feedback()
    _phone_call()


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("feedback_id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=20), nullable=False),
        sa.Column("answer", sa.String(length=14), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("water_depth_cm", sa.Integer(), nullable=True),
        sa.Column("people_moved", sa.Integer(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("photo", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["task.task_id"], name=op.f("fk_feedback_task_id")),
        sa.PrimaryKeyConstraint("feedback_id", name=op.f("pk_feedback")),
    )
    op.create_index("ix_feedback_task_id", "feedback", ["task_id"])


def _phone_call() -> None:
    op.create_table(
        "phone_call",
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("by_task_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=14), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.task_id"], name=op.f("fk_phone_call_task_id")),
        sa.ForeignKeyConstraint(
            ["by_task_id"], ["task.task_id"], name=op.f("fk_phone_call_by_task_id")
        ),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_phone_call")),
    )
    op.create_index("ix_phone_call_task_id", "phone_call", ["task_id"])


def downgrade() -> None:
    """Take back; reports, calls and which channels are disabled are lost."""
    op.drop_table("phone_call")
    op.drop_table("feedback")
    op.drop_index("ix_outbox_status", "outbox")
    op.drop_index("ix_outbox_waiting", "outbox")
    op.create_index("ix_outbox_claim", "outbox", ["status", "due_at", "priority"])
    op.drop_table("route")
    with op.batch_alter_table("channel") as batch_op:
        batch_op.drop_column("disabled_cause")
        batch_op.drop_column("disabled_at")
