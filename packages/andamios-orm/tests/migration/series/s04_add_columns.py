"""Add columns of all sorts to tables with rows and indexes."""

import sqlalchemy as sa
from alembic import op

revision = "s04"
down_revision = "s03"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("note", sa.String(20)))
    op.add_column(
        "orders", sa.Column("currency", sa.String(3), server_default="EUR", nullable=False)
    )
    op.add_column(
        "orders",
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
    )
    op.add_column(
        "accounts",
        sa.Column(
            "seen_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
        ),
    )
    op.add_column("accounts", sa.Column("zip", sa.String(10), comment="where to send to"))
    op.execute("UPDATE accounts SET zip = CAST(1000 + id AS VARCHAR(10))")
    op.create_index("ix_accounts_zip", "accounts", ["zip"])


def downgrade() -> None:
    op.drop_index("ix_accounts_zip", table_name="accounts")
    op.drop_column("accounts", "zip")
    op.drop_column("accounts", "seen_at")
    op.drop_column("orders", "received_at")
    op.drop_column("orders", "currency")
    op.drop_column("orders", "note")
