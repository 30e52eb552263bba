"""Create tickets, numbered by a sequence."""
# Alembic lists only operations of its own.
# mypy: disable-error-code="attr-defined"

import sqlalchemy as sa
from alembic import op

revision = "s18"
down_revision = "s17"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_sequence("ticket_numbers", start=100, increment=10)
    op.create_sequence("spare_numbers")
    op.create_table(
        "tickets",
        sa.Column(
            "number",
            sa.BigInteger,
            server_default=sa.text("nextval('ticket_numbers')"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("member_id", sa.BigInteger, sa.ForeignKey("members.id"), nullable=False),
        sa.Column("subject", sa.String(50), server_default="", nullable=False),
    )
    op.create_index("ix_tickets_member_id", "tickets", ["member_id"])
    op.execute(
        "INSERT INTO tickets (member_id, subject) "
        "SELECT id, name FROM members WHERE id < 3 ORDER BY id"
    )


def downgrade() -> None:
    op.drop_table("tickets")
    op.drop_sequence("spare_numbers")
    op.drop_sequence("ticket_numbers")
