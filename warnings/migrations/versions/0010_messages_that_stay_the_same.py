"""A message is the same in every attempt: because of whom it calls, and whom it is addressed to.

Calls that were written before keep what they would have said at this moment. Ids of messages are
made of what is unique already, so that an index of their own is not needed.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_CALLS = """
    SELECT o.outbox_id, r.name, r.role, r.unit_name, e.reason
    FROM outbox o
    JOIN alert a ON a.alert_id = o.alert_id
    JOIN task t ON t.event_id = a.event_id AND t.recipient_id = o.recipient_id
    JOIN escalation e ON e.to_task_id = t.task_id AND e.at = o.created_at
    JOIN task b ON b.task_id = e.from_task_id
    JOIN recipient r ON r.recipient_id = b.recipient_id
    WHERE o.kind = 'ESCALATION'
    ORDER BY o.outbox_id, e.escalation_id
"""


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.add_column(sa.Column("silence", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("addressee", sa.Text(), nullable=True))
        batch_op.drop_constraint(op.f("uq_outbox_message_id"), type_="unique")
    found: dict[int, tuple[Any, ...]] = {}
    for key, name, role, place, reason in op.get_bind().execute(sa.text(_CALLS)):
        *first, number, unable = found.get(key, (name, role, place, 0, 0))
        found[key] = (*first, number + 1, unable + (reason == "CANNOT_HANDLE"))
    rows = [
        {"key": key, "said": json.dumps(said, ensure_ascii=False, separators=(",", ":"))}
        for key, said in found.items()
    ]
    if rows:
        write = sa.text("UPDATE outbox SET silence = :said WHERE outbox_id = :key")
        op.get_bind().execute(write, rows)


def downgrade() -> None:
    """Take back; what was written down with messages is lost."""
    with op.batch_alter_table("outbox") as batch_op:
        batch_op.create_unique_constraint(op.f("uq_outbox_message_id"), ["message_id"])
        batch_op.drop_column("addressee")
        batch_op.drop_column("silence")
