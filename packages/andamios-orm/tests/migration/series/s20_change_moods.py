"""Put another value in the place of one."""
# Alembic lists only operations of its own.
# mypy: disable-error-code="attr-defined"

from alembic import op

revision = "s20"
down_revision = "s19"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_enum("mood", ["calm", "busy", "cross"], columns=["tickets.mood"])
    op.execute("UPDATE tickets SET mood = 'cross' WHERE mood = 'busy'")
    op.alter_enum("mood", ["calm", "cross"], columns=["tickets.mood"])


def downgrade() -> None:
    op.alter_enum("mood", ["calm", "cross", "busy"], columns=["tickets.mood"])
    op.execute("UPDATE tickets SET mood = 'busy' WHERE mood = 'cross'")
    op.alter_enum("mood", ["calm", "busy"], columns=["tickets.mood"])
