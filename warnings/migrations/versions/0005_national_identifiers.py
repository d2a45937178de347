"""National identifiers of alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; alerts that were issued before have none."""
    with op.batch_alter_table("alert") as batch_op:
        batch_op.add_column(sa.Column("cn_identifier", sa.String(31), nullable=True))
        batch_op.create_unique_constraint(op.f("uq_alert_cn_identifier"), ["cn_identifier"])


def downgrade() -> None:
    """Take back; national identifiers stay in the messages alone."""
    with op.batch_alter_table("alert") as batch_op:
        batch_op.drop_constraint(op.f("uq_alert_cn_identifier"), type_="unique")
        batch_op.drop_column("cn_identifier")
