"""Give columns in indexes other types."""

import sqlalchemy as sa
from alembic import op

revision = "s08"
down_revision = "s07"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column(
        "members",
        "zip",
        existing_type=sa.String(10),
        type_=sa.Integer(),
        existing_nullable=True,
        postgresql_using="zip::integer",
    )
    op.alter_column(
        "orders",
        "total",
        existing_type=sa.Numeric(10, 2),
        type_=sa.Numeric(12, 3),
        existing_nullable=False,
        existing_server_default="9.50",
    )


def downgrade() -> None:
    op.alter_column("orders", "total", existing_type=sa.Numeric(12, 3), type_=sa.Numeric(10, 2))
    op.alter_column(
        "members",
        "zip",
        existing_type=sa.Integer(),
        type_=sa.String(10),
        postgresql_using="zip::varchar",
    )
