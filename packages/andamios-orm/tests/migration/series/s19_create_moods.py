"""Create types that list their values, and a column of one."""
# Alembic lists only operations of its own.
# mypy: disable-error-code="attr-defined"

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "s19"
down_revision = "s18"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_enum("mood", ["calm", "busy"])
    op.create_enum("spare", ["it's", "a: b"])
    op.add_column(
        "tickets",
        sa.Column(
            "mood",
            postgresql.ENUM("calm", "busy", name="mood", create_type=False),
            server_default="calm",
            nullable=False,
        ),
    )
    op.create_index("ix_tickets_mood", "tickets", ["mood", "number"])
    op.execute("UPDATE tickets SET mood = 'busy' WHERE number > 100")


def downgrade() -> None:
    op.drop_column("tickets", "mood")
    op.drop_enum("spare")
    op.drop_enum("mood")
