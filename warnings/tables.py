"""Tables of the warnings database (SQLAlchemy Core; SQLite and PostgreSQL)."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

_COLUMNS = "%(table_name)s_%(column_0_N_name)s"
metadata = MetaData(
    naming_convention={
        "ix": f"ix_{_COLUMNS}", "ck": "ck_%(table_name)s_%(constraint_name)s",
        "uq": f"uq_{_COLUMNS}", "fk": f"fk_{_COLUMNS}", "pk": "pk_%(table_name)s",
    }
)  # fmt: skip

# An event, its messages and its people belong to one status (Actual, Exercise, Test): a drill that
# is still open when the real storm comes must not swallow its warnings.
# Times are ISO 8601 UTC text (2019-08-09T16:30:00Z): they sort, and read the same everywhere.

recipient = Table(
    "recipient",
    metadata,
    Column("recipient_id", Integer, primary_key=True),
    Column("person", String(64), nullable=False, unique=True),
    Column("name", String(64), nullable=False),
    Column("role", String(24), nullable=False, index=True),
    Column("unit_code", String(16), nullable=False),
    Column("unit_name", String(64), nullable=False),
    Column("lon", Float, nullable=False),
    Column("lat", Float, nullable=False),
    Column("cell_id", Integer, nullable=False, index=True),
    Column("removed_at", String(20)),
    Column("phone_key", String(16)),
    Column("phone_index", LargeBinary(32), index=True),
    Column("phone_cipher", LargeBinary),
    Column("holder", String(64)),  # id of who holds this duty beside another one of theirs
)

shift = Table(
    "shift",
    metadata,
    Column("shift_id", Integer, primary_key=True),
    Column("recipient_id", Integer, ForeignKey("recipient.recipient_id"), nullable=False),
    Column("starts_at", String(20), nullable=False),
    Column("ends_at", String(20), nullable=False, index=True),
    UniqueConstraint("recipient_id", "starts_at"),
)

# The subject is the gauge or reservoir that an event is about, empty where it is a county's rain.
event = Table(
    "event",
    metadata,
    Column("event_id", String(64), primary_key=True),
    Column("hazard", String(24), nullable=False),
    Column("county", String(6), nullable=False),
    Column("subject", String(32), nullable=False, server_default=""),
    Column("subject_zh", String(128), nullable=False, server_default=""),
    Column("subject_en", String(128), nullable=False, server_default=""),
    Column("status", String(8), nullable=False),
    Column("level", Integer, nullable=False),
    Column("opened_at", String(20), nullable=False),
    Column("closed_at", String(20)),
    Index("ix_event_open", "closed_at", "hazard", "county"),
)

event_cell = Table(
    "event_cell",
    metadata,
    Column("event_id", String(64), ForeignKey("event.event_id"), primary_key=True),
    Column("cell_id", Integer, primary_key=True),
    Column("level", Integer, nullable=False),
    Column("since", String(20), nullable=False),
    Column("lower_since", String(20)),
    Column("lower_to", Integer, nullable=False),
)

# A forecaster's decision against the rules; one that is neither past nor ended counts.
hold = Table(
    "hold",
    metadata,
    Column("hold_id", Integer, primary_key=True),
    Column("status", String(8), nullable=False),
    Column("hazard", String(24), nullable=False),
    Column("county", String(6), nullable=False),
    Column("subject", String(32), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("level", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", String(64), nullable=False),
    Column("created_at", String(20), nullable=False),
    Column("until", String(20), nullable=False),
    Column("ended_at", String(20)),
    Column("cells", Text),
)

# A step that waits for a second person, or did: with all that it takes to issue its message. There
# is one open proposal of a step and level; what a cycle finds meanwhile is written into it.
proposal = Table(
    "proposal",
    metadata,
    Column("proposal_id", Integer, primary_key=True),
    Column("status", String(8), nullable=False),
    Column("hazard", String(24), nullable=False),
    Column("county", String(6), nullable=False),
    Column("subject", String(32), nullable=False),
    Column("subject_zh", String(128), nullable=False),
    Column("subject_en", String(128), nullable=False),
    Column("event_id", String(64), ForeignKey("event.event_id")),
    Column("step", String(8), nullable=False),
    Column("level", Integer, nullable=False),
    Column("to_level", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    Column("cells", Text, nullable=False),
    Column("onset_min", Float, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("rules", String(64), nullable=False),
    Column("proposed_by", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", String(20), nullable=False),
    Column("seen_at", String(20), nullable=False),
    Column("due_at", String(20), nullable=False),
    Column("otherwise", String(5), nullable=False),
    Column("decided_at", String(20)),
    Column("decided_by", String(64)),
    Column("decision", Text),
    Index(
        "ix_proposal_open",
        "status",
        "hazard",
        "county",
        "subject",
        "step",
        "level",
        unique=True,
        sqlite_where=text("state = 'OPEN'"),
        postgresql_where=text("state = 'OPEN'"),
    ),
)

# Answers to requests that carried an idempotency key: the same request again gets the same answer.
request = Table(
    "request",
    metadata,
    Column("actor", String(64), primary_key=True),
    Column("idempotency_key", String(64), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("answer", Text, nullable=False),
    Column("at", String(20), nullable=False, index=True),
)

alert = Table(
    "alert",
    metadata,
    Column("alert_id", Integer, primary_key=True),
    Column("identifier", String(96), nullable=False, unique=True),
    Column("sender", String(128), nullable=False),
    Column("event_id", String(64), ForeignKey("event.event_id"), nullable=False, index=True),
    Column("cycle", String(16), nullable=False),
    Column("action", String(3), nullable=False),
    Column("level", Integer, nullable=False),
    Column("status", String(8), nullable=False),
    Column("sent", String(20), nullable=False, index=True),
    Column("expires", String(20), nullable=False),
    Column("superseded_at", String(20)),
    Column("headline_zh", Text, nullable=False),
    Column("headline_en", Text, nullable=False),
    Column("cap_xml", Text, nullable=False),
    Column("cn_identifier", String(31), unique=True),
    Index("ix_alert_alert_id_status", "alert_id", "status", unique=True),
)

alert_cell = Table(
    "alert_cell",
    metadata,
    Column("alert_id", Integer, ForeignKey("alert.alert_id"), primary_key=True),
    Column("cell_id", Integer, primary_key=True),
    Column("level", Integer, nullable=False),
    Index("ix_alert_cell_cell_id", "cell_id"),
)

# What each person was told last through each channel; channel "" is the task itself.
told = Table(
    "told",
    metadata,
    Column("event_id", String(64), ForeignKey("event.event_id"), primary_key=True),
    Column("recipient_id", Integer, ForeignKey("recipient.recipient_id"), primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("level", Integer, nullable=False),
    Column("alert_id", Integer, ForeignKey("alert.alert_id"), nullable=False),
    sqlite_with_rowid=False,
)

# What a channel is for (production, drill) never changes: messages that wait for it rest on it.
# A channel whose receiver said that it is gone stays disabled until somebody enables it.
channel = Table(
    "channel",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("purpose", String(10), nullable=False),
    Column("disabled_at", String(20)),
    Column("disabled_cause", Text),
    UniqueConstraint("name", "purpose"),
    CheckConstraint("purpose IN ('production', 'drill')", name="purpose"),
)

# Who is told through what: the channels of a chain in their order, the next where one fails. Rows
# of level 0 say where the end of a warning goes on when it cannot be told.
route = Table(
    "route",
    metadata,
    Column("status", String(8), primary_key=True),
    Column("chain", Integer, primary_key=True),
    Column("role", String(24), primary_key=True),
    Column("level", Integer, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("channel", String(32), ForeignKey("channel.name"), nullable=False),
    Index("ix_route_channel", "status", "channel", "role", "level"),
)

# The two composite keys tie the status of the message to its alert, the purpose to its channel; the
# check holds whoever writes, and neither the alert nor the channel can be changed under it.
# A message is the same in every attempt: because of whom it calls on somebody is written down with
# it (`silence`), and what the roster says of its recipient when it is first taken (`addressee`,
# until it is sent). What goes out with another message (`digest_id`) is MERGED meanwhile.
outbox = Table(
    "outbox",
    metadata,
    Column("outbox_id", Integer, primary_key=True),
    Column("alert_id", Integer, nullable=False),
    Column("message_status", String(8), nullable=False),
    Column("recipient_id", Integer, ForeignKey("recipient.recipient_id"), nullable=False),
    Column("channel", String(32), nullable=False),
    Column("purpose", String(10), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("version", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("message_id", String(160), nullable=False),
    Column("status", String(10), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("created_at", String(20), nullable=False),
    Column("due_at", String(20), nullable=False),
    Column("leased_until", String(20)),
    Column("silence", Text),
    Column("addressee", Text),
    Column("digest_id", Integer),
    UniqueConstraint("alert_id", "recipient_id", "channel", "version"),
    ForeignKeyConstraint(["alert_id", "message_status"], ["alert.alert_id", "alert.status"]),
    ForeignKeyConstraint(["channel", "purpose"], ["channel.name", "channel.purpose"]),
    CheckConstraint(
        "NOT (message_status = 'Exercise' AND purpose = 'production')"
        " AND NOT (message_status = 'Actual' AND purpose = 'drill')",
        name="drills_apart",
    ),
    # What waits, in the order in which it is handed over: a claim reads no more than it takes.
    Index(
        "ix_outbox_waiting",
        "priority",
        "outbox_id",
        sqlite_where=text("status = 'PENDING'"),
        postgresql_where=text("status = 'PENDING'"),
    ),
    Index("ix_outbox_status", "status", "channel"),
    Index(
        "ix_outbox_digest",
        "digest_id",
        sqlite_where=text("digest_id IS NOT NULL"),
        postgresql_where=text("digest_id IS NOT NULL"),
    ),
    Index("ix_outbox_recipient", "recipient_id", "alert_id"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("attempt_id", Integer, primary_key=True),
    Column("outbox_id", Integer, ForeignKey("outbox.outbox_id"), nullable=False, index=True),
    Column("at", String(20), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("detail", Text, nullable=False),
)

# A task with a deadline is one that is waited for: at most one of a level and unit.
task = Table(
    "task",
    metadata,
    Column("task_id", Integer, primary_key=True),
    Column("event_id", String(64), ForeignKey("event.event_id"), nullable=False),
    Column("recipient_id", Integer, ForeignKey("recipient.recipient_id"), nullable=False),
    Column("alert_id", Integer, ForeignKey("alert.alert_id"), nullable=False),
    Column("level", Integer, nullable=False),
    Column("due_at", String(20)),
    Column("status", String(14), nullable=False),
    Column("answered_at", String(20)),
    Column("note", Text, nullable=False, default=""),
    Column("tier", Integer, nullable=False),
    Column("unit_code", String(16), nullable=False),
    Column("escalated", Integer, nullable=False),
    Column("raised_at", String(20)),
    UniqueConstraint("event_id", "recipient_id"),
    Index("ix_task_unit", "event_id", "tier", "unit_code"),
    Index("ix_task_waited_for", "event_id", "tier", "unit_code", unique=True,
          sqlite_where=text("due_at IS NOT NULL"),
          postgresql_where=text("due_at IS NOT NULL")),
)  # fmt: skip

# Every passing on of a task to the level above. The deadline that passed tells one silence from the
# next; "cannot handle" may be said, taken back and said again within a second.
escalation = Table(
    "escalation",
    metadata,
    Column("escalation_id", Integer, primary_key=True),
    Column("from_task_id", Integer, ForeignKey("task.task_id"), nullable=False),
    Column("to_task_id", Integer, ForeignKey("task.task_id"), nullable=False, index=True),
    Column("reason", String(14), nullable=False),
    Column("deadline", String(20), nullable=False),
    Column("at", String(20), nullable=False),
    Index("ix_escalation_silence", "from_task_id", "deadline", unique=True,
          sqlite_where=text("reason = 'SILENT'"),
          postgresql_where=text("reason = 'SILENT'")),
)  # fmt: skip

# What came back from the place: every report is kept, the task shows the last one.
feedback = Table(
    "feedback",
    metadata,
    Column("feedback_id", Integer, primary_key=True),
    Column("task_id", Integer, ForeignKey("task.task_id"), nullable=False, index=True),
    Column("at", String(20), nullable=False),
    Column("answer", String(14), nullable=False),
    Column("note", Text, nullable=False),
    Column("water_depth_cm", Integer),
    Column("people_moved", Integer),
    Column("lon", Float),
    Column("lat", Float),
    Column("photo", String(80)),
)

# Telephone calls to those who were silent.
phone_call = Table(
    "phone_call",
    metadata,
    Column("call_id", Integer, primary_key=True),
    Column("task_id", Integer, ForeignKey("task.task_id"), nullable=False, index=True),
    Column("by_task_id", Integer, ForeignKey("task.task_id"), nullable=False),
    Column("at", String(20), nullable=False),
    Column("outcome", String(14), nullable=False),
    Column("note", Text, nullable=False),
)

cycle = Table(
    "cycle",
    metadata,
    Column("cycle", String(16), primary_key=True),
    Column("status", String(8), primary_key=True),
    Column("processed_at", String(20), nullable=False),
    Column("summary", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", String(20), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject", String(96), nullable=False),
    Column("detail", Text, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

# Of a key only its first characters and its SHA-256 are kept.
api_key = Table(
    "api_key",
    metadata,
    Column("key_id", Integer, primary_key=True),
    Column("prefix", String(24), nullable=False, unique=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("name", String(40), nullable=False),
    Column("scope", String(12), nullable=False),
    Column("unit", String(16), nullable=False),
    Column("purpose", String(10), nullable=False),
    Column("created_at", String(20), nullable=False),
    Column("expires_at", String(20)),
    Column("revoked_at", String(20)),
)
