"""Escalation, and drills kept apart from production.

Messages of drills that were written before channels had a purpose move to a channel of their own,
so that what is still waiting among them never leaves through a production channel.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIER = """CASE role WHEN 'village_head' THEN 1 WHEN 'town_duty' THEN 2
    WHEN 'county_duty' THEN 3 WHEN 'city_duty' THEN 4 ELSE 0 END"""
_DRILL_ALERT = "(SELECT alert_id FROM alert WHERE status = 'Exercise')"
_OWN = "substr(channel, 1, 26) || '-drill'"
_CHECK = (
    "NOT (message_status = 'Exercise' AND purpose = 'production')"
    " AND NOT (message_status = 'Actual' AND purpose = 'drill')"
)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "channel",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=10), nullable=False),
        sa.CheckConstraint("purpose IN ('production', 'drill')", name=op.f("ck_channel_purpose")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_channel")),
        sa.UniqueConstraint("name", "purpose", name=op.f("uq_channel_name_purpose")),
    )
    op.create_index("ix_recipient_role", "recipient", ["role"])
    op.create_index("ix_alert_alert_id_status", "alert", ["alert_id", "status"], unique=True)
    _outbox()
    _task()
    op.create_table(
        "escalation",
        sa.Column("escalation_id", sa.Integer(), nullable=False),
        sa.Column("from_task_id", sa.Integer(), nullable=False),
        sa.Column("to_task_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=14), nullable=False),
        sa.Column("deadline", sa.String(length=20), nullable=False),
        sa.Column("at", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["from_task_id"], ["task.task_id"], name=op.f("fk_escalation_from_task_id")
        ),
        sa.ForeignKeyConstraint(
            ["to_task_id"], ["task.task_id"], name=op.f("fk_escalation_to_task_id")
        ),
        sa.PrimaryKeyConstraint("escalation_id", name=op.f("pk_escalation")),
    )
    with op.batch_alter_table("escalation") as batch_op:
        batch_op.create_index(batch_op.f("ix_escalation_to_task_id"), ["to_task_id"])
        batch_op.create_index(
            "ix_escalation_silence",
            ["from_task_id", "deadline"],
            unique=True,
            sqlite_where=sa.text("reason = 'SILENT'"),
            postgresql_where=sa.text("reason = 'SILENT'"),
        )


def _outbox() -> None:
    with op.batch_alter_table("outbox") as batch_op:
        for name, length in (("message_status", 8), ("purpose", 10), ("kind", 10)):
            batch_op.add_column(sa.Column(name, sa.String(length), nullable=True))
    op.execute(f"UPDATE outbox SET channel = {_OWN} WHERE alert_id IN {_DRILL_ALERT}")
    op.execute(
        f"UPDATE told SET channel = {_OWN} WHERE channel <> '' AND alert_id IN {_DRILL_ALERT}"
    )
    op.execute(
        "UPDATE outbox SET kind = 'WARNING', message_status ="
        " (SELECT a.status FROM alert a WHERE a.alert_id = outbox.alert_id)"
    )
    op.execute(
        "UPDATE outbox SET purpose ="
        " CASE message_status WHEN 'Exercise' THEN 'drill' ELSE 'production' END"
    )
    op.execute("INSERT INTO channel (name, purpose) SELECT DISTINCT channel, purpose FROM outbox")
    with op.batch_alter_table("outbox") as batch_op:
        for name, length in (("message_status", 8), ("purpose", 10), ("kind", 10)):
            batch_op.alter_column(name, existing_type=sa.String(length), nullable=False)
        batch_op.drop_constraint(op.f("fk_outbox_alert_id"), type_="foreignkey")
        batch_op.create_foreign_key(
            op.f("fk_outbox_alert_id_message_status"),
            "alert",
            ["alert_id", "message_status"],
            ["alert_id", "status"],
        )
        batch_op.create_foreign_key(
            op.f("fk_outbox_channel_purpose"),
            "channel",
            ["channel", "purpose"],
            ["name", "purpose"],
        )
        batch_op.create_check_constraint(op.f("ck_outbox_drills_apart"), _CHECK)


def _task() -> None:
    with op.batch_alter_table("task") as batch_op:
        batch_op.add_column(sa.Column("tier", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("unit_code", sa.String(length=16), nullable=True))
        batch_op.add_column(sa.Column("escalated", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("raised_at", sa.String(length=20), nullable=True))
    mine = "FROM recipient r WHERE r.recipient_id = task.recipient_id"
    op.execute(
        f"UPDATE task SET escalated = 0, tier = (SELECT {_TIER} {mine}),"
        f" unit_code = (SELECT r.unit_code {mine})"
    )
    # Of several that were waited for in one unit, the first stays.
    op.execute(
        "UPDATE task SET due_at = NULL WHERE due_at IS NOT NULL AND task_id NOT IN (SELECT"
        " MIN(task_id) FROM task WHERE due_at IS NOT NULL GROUP BY event_id, tier, unit_code)"
    )
    with op.batch_alter_table("task") as batch_op:
        batch_op.alter_column("tier", existing_type=sa.Integer(), nullable=False)
        batch_op.alter_column("unit_code", existing_type=sa.String(length=16), nullable=False)
        batch_op.alter_column("escalated", existing_type=sa.Integer(), nullable=False)
        batch_op.create_index("ix_task_unit", ["event_id", "tier", "unit_code"])
        batch_op.create_index(
            "ix_task_waited_for",
            ["event_id", "tier", "unit_code"],
            unique=True,
            sqlite_where=sa.text("due_at IS NOT NULL"),
            postgresql_where=sa.text("due_at IS NOT NULL"),
        )


def downgrade() -> None:
    """Take back; what was escalated and what channels are for is lost."""
    op.drop_table("escalation")
    with op.batch_alter_table("task") as batch_op:
        batch_op.drop_index("ix_task_waited_for")
        batch_op.drop_index("ix_task_unit")
        for name in ("raised_at", "escalated", "unit_code", "tier"):
            batch_op.drop_column(name)
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.drop_constraint(op.f("ck_outbox_drills_apart"), type_="check")
        batch_op.drop_constraint(op.f("fk_outbox_channel_purpose"), type_="foreignkey")
        batch_op.drop_constraint(op.f("fk_outbox_alert_id_message_status"), type_="foreignkey")
        batch_op.create_foreign_key(op.f("fk_outbox_alert_id"), "alert", ["alert_id"], ["alert_id"])
        for name in ("kind", "purpose", "message_status"):
            batch_op.drop_column(name)
    op.drop_index("ix_alert_alert_id_status", "alert")
    op.drop_index("ix_recipient_role", "recipient")
    op.drop_table("channel")
