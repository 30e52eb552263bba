"""Create accounts, with rows."""

import sqlalchemy as sa
from alembic import op

revision = "s01"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    accounts = op.create_table(
        "accounts",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("email", sa.String(80), nullable=False, comment="where to write to"),
        sa.Column("name", sa.String(40)),
        sa.Column("status", sa.String(10), server_default="new", nullable=False),
        sa.Column("balance", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("double_balance", sa.Integer, sa.Computed("balance * 2")),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("email", name=op.f("uq_accounts_email")),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_accounts_balance")),
        comment="who buys",
    )
    op.create_index("ix_accounts_name", "accounts", ["name"])
    op.bulk_insert(
        accounts,
        [
            {"email": "ann@x.org", "name": "Ann", "balance": 5},
            {"email": "bob@x.org", "name": "Bob", "balance": 7},
            {"email": "cid@x.org", "name": None, "balance": 0},
            {"email": "dan@x.org", "name": "Dan's", "balance": 1},
            {"email": "eve@x.org", "name": "Eve: 100%", "balance": 3},
        ],
    )


def downgrade() -> None:
    op.drop_index("ix_accounts_name", table_name="accounts")
    op.drop_table("accounts")
