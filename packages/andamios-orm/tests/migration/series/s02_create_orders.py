"""Create orders, which belong to accounts and to each other."""

import sqlalchemy as sa
from alembic import op

revision = "s02"
down_revision = "s01"
branch_labels = None
depends_on = None


def upgrade() -> None:
    orders = op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Integer, nullable=False),
        sa.Column("parent_id", sa.BigInteger),
        sa.Column("number", sa.String(20), nullable=False),
        sa.Column("total", sa.Numeric(10, 2), server_default="9.50", nullable=False),
        sa.Column("quantity", sa.Integer, server_default="1", nullable=False),
        sa.Column("placed_on", sa.Date),
        sa.PrimaryKeyConstraint("id", name="orders_pk"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_orders_account"),
        sa.ForeignKeyConstraint(["parent_id"], ["orders.id"], name="fk_orders_parent"),
        sa.CheckConstraint("quantity > 0 AND quantity < 1000", name="ck_orders_quantity"),
    )
    op.create_index("ix_orders_account_id", "orders", ["account_id"])
    op.create_index("ux_orders_number", "orders", ["number"], unique=True)
    op.create_index("ix_orders_lower_number", "orders", [sa.text("lower(number)")])
    op.create_index("ix_orders_quantity", "orders", ["quantity"])
    op.create_index("ix_orders_total", "orders", ["total", "id"])
    for rows in (
        [
            {"id": 1, "account_id": 1, "parent_id": None, "number": "A-1", "quantity": 2},
            {"id": 2, "account_id": 2, "parent_id": None, "number": "B-1", "quantity": 4},
        ],
        [
            {"id": 3, "account_id": 1, "parent_id": 1, "number": "A-2", "quantity": 1},
        ],
    ):
        op.bulk_insert(orders, rows)


def downgrade() -> None:
    op.drop_table("orders")
