"""Set and drop defaults and NOT NULL."""

import sqlalchemy as sa
from alembic import op

revision = "s10"
down_revision = "s09"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("members", "status", existing_type=sa.String(10), server_default=None)
    op.alter_column("members", "status", existing_type=sa.String(10), nullable=True)
    op.alter_column("members", "credit", existing_type=sa.Integer(), server_default=sa.text("10"))
    op.alter_column("members", "name", existing_type=sa.String(40), server_default="it's nobody")
    op.alter_column(
        "orders",
        "placed_on",
        existing_type=sa.Date(),
        server_default=sa.text("CURRENT_DATE"),
    )
    op.execute("INSERT INTO members (id, email) VALUES (7, 'gus@x.org')")


def downgrade() -> None:
    op.execute("DELETE FROM members WHERE email = 'gus@x.org'")
    op.alter_column("orders", "placed_on", existing_type=sa.Date(), server_default=None)
    op.alter_column("members", "name", existing_type=sa.String(40), server_default=None)
    op.alter_column("members", "credit", existing_type=sa.Integer(), server_default=sa.text("0"))
    op.alter_column("members", "status", existing_type=sa.String(10), nullable=False)
    op.alter_column("members", "status", existing_type=sa.String(10), server_default="new")
