"""Comment on tables and columns."""

import sqlalchemy as sa
from alembic import op

revision = "s17"
down_revision = "s16"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table_comment("products", "what's sold: all of it")
    op.create_table_comment("members", "who belongs", existing_comment="who buys")
    op.alter_column("products", "name", existing_type=sa.String(30), comment="as it's printed")
    op.alter_column(
        "members",
        "email",
        existing_type=sa.String(80),
        comment=None,
        existing_comment="where to write to",
    )
    op.alter_column("orders", "total", existing_type=sa.Numeric(12, 3), comment="with 10% tax")


def downgrade() -> None:
    op.alter_column("orders", "total", existing_type=sa.Numeric(12, 3), comment=None)
    op.alter_column("members", "email", existing_type=sa.String(80), comment="where to write to")
    op.alter_column("products", "name", existing_type=sa.String(30), comment=None)
    op.create_table_comment("members", "who buys", existing_comment="who belongs")
    op.drop_table_comment("products", existing_comment="what's sold: all of it")
