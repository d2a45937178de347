"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=20), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=96), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_table(
        "cycle",
        sa.Column("cycle", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("processed_at", sa.String(length=20), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("cycle", "status", name=op.f("pk_cycle")),
    )
    op.create_table(
        "event",
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("hazard", sa.String(length=24), nullable=False),
        sa.Column("county", sa.String(length=6), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.String(length=20), nullable=False),
        sa.Column("closed_at", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_event")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index("ix_event_open", ["closed_at", "hazard", "county"], unique=False)

    op.create_table(
        "recipient",
        sa.Column("recipient_id", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("unit_code", sa.String(length=16), nullable=False),
        sa.Column("unit_name", sa.String(length=64), nullable=False),
        sa.Column("lon", sa.Float(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=False),
        sa.Column("cell_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("recipient_id", name=op.f("pk_recipient")),
        sa.UniqueConstraint("person", name=op.f("uq_recipient_person")),
    )
    with op.batch_alter_table("recipient", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_recipient_cell_id"), ["cell_id"], unique=False)

    op.create_table(
        "alert",
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("identifier", sa.String(length=96), nullable=False),
        sa.Column("sender", sa.String(length=128), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("cycle", sa.String(length=16), nullable=False),
        sa.Column("action", sa.String(length=3), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("sent", sa.String(length=20), nullable=False),
        sa.Column("expires", sa.String(length=20), nullable=False),
        sa.Column("superseded_at", sa.String(length=20), nullable=True),
        sa.Column("headline_zh", sa.Text(), nullable=False),
        sa.Column("headline_en", sa.Text(), nullable=False),
        sa.Column("cap_xml", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.event_id"], name=op.f("fk_alert_event_id")),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alert")),
        sa.UniqueConstraint("identifier", name=op.f("uq_alert_identifier")),
    )
    with op.batch_alter_table("alert", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_alert_event_id"), ["event_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_alert_sent"), ["sent"], unique=False)

    op.create_table(
        "event_cell",
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("cell_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("since", sa.String(length=20), nullable=False),
        sa.Column("lower_since", sa.String(length=20), nullable=True),
        sa.Column("lower_to", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["event.event_id"], name=op.f("fk_event_cell_event_id")
        ),
        sa.PrimaryKeyConstraint("event_id", "cell_id", name=op.f("pk_event_cell")),
    )
    op.create_table(
        "alert_cell",
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("cell_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alert.alert_id"], name=op.f("fk_alert_cell_alert_id")
        ),
        sa.PrimaryKeyConstraint("alert_id", "cell_id", name=op.f("pk_alert_cell")),
    )
    with op.batch_alter_table("alert_cell", schema=None) as batch_op:
        batch_op.create_index("ix_alert_cell_cell_id", ["cell_id"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("outbox_id", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("recipient_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=160), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(length=20), nullable=False),
        sa.Column("due_at", sa.String(length=20), nullable=False),
        sa.Column("leased_until", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"], name=op.f("fk_outbox_alert_id")),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["recipient.recipient_id"], name=op.f("fk_outbox_recipient_id")
        ),
        sa.PrimaryKeyConstraint("outbox_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint(
            "alert_id",
            "recipient_id",
            "channel",
            "version",
            name=op.f("uq_outbox_alert_id_recipient_id_channel_version"),
        ),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_claim", ["status", "due_at", "priority"], unique=False)
        batch_op.create_index("ix_outbox_recipient", ["recipient_id", "alert_id"], unique=False)

    op.create_table(
        "task",
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("recipient_id", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.String(length=20), nullable=True),
        sa.Column("status", sa.String(length=14), nullable=False),
        sa.Column("answered_at", sa.String(length=20), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"], name=op.f("fk_task_alert_id")),
        sa.ForeignKeyConstraint(["event_id"], ["event.event_id"], name=op.f("fk_task_event_id")),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["recipient.recipient_id"], name=op.f("fk_task_recipient_id")
        ),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task")),
        sa.UniqueConstraint("event_id", "recipient_id", name=op.f("uq_task_event_id_recipient_id")),
    )
    op.create_table(
        "told",
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("recipient_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("alert_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.alert_id"], name=op.f("fk_told_alert_id")),
        sa.ForeignKeyConstraint(["event_id"], ["event.event_id"], name=op.f("fk_told_event_id")),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["recipient.recipient_id"], name=op.f("fk_told_recipient_id")
        ),
        sa.PrimaryKeyConstraint("event_id", "recipient_id", "channel", name=op.f("pk_told")),
    )
    op.create_table(
        "attempt",
        sa.Column("attempt_id", sa.Integer(), nullable=False),
        sa.Column("outbox_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["outbox_id"], ["outbox.outbox_id"], name=op.f("fk_attempt_outbox_id")
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_attempt")),
    )
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_attempt_outbox_id"), ["outbox_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("attempt", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_attempt_outbox_id"))

    op.drop_table("attempt")
    op.drop_table("told")
    op.drop_table("task")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index("ix_outbox_recipient")
        batch_op.drop_index("ix_outbox_claim")

    op.drop_table("outbox")
    with op.batch_alter_table("alert_cell", schema=None) as batch_op:
        batch_op.drop_index("ix_alert_cell_cell_id")

    op.drop_table("alert_cell")
    op.drop_table("event_cell")
    with op.batch_alter_table("alert", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_alert_sent"))
        batch_op.drop_index(batch_op.f("ix_alert_event_id"))

    op.drop_table("alert")
    with op.batch_alter_table("recipient", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_recipient_cell_id"))

    op.drop_table("recipient")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index("ix_event_open")

    op.drop_table("event")
    op.drop_table("cycle")
    op.drop_table("audit")
