"""Rename columns in an index, a check and a computed one; widen a key with what refers to it."""

import sqlalchemy as sa
from alembic import op

revision = "s06"
down_revision = "s05"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("orders", "quantity", new_column_name="pieces")
    op.alter_column("accounts", "balance", new_column_name="credit")
    op.alter_column("products", "title", new_column_name="name")
    op.drop_constraint("fk_orders_account", "orders", type_="foreignkey")
    op.alter_column("accounts", "id", existing_type=sa.Integer(), type_=sa.BigInteger())
    op.alter_column("orders", "account_id", existing_type=sa.Integer(), type_=sa.BigInteger())
    op.create_foreign_key("fk_orders_account", "orders", "accounts", ["account_id"], ["id"])


def downgrade() -> None:
    op.drop_constraint("fk_orders_account", "orders", type_="foreignkey")
    op.alter_column("orders", "account_id", existing_type=sa.BigInteger(), type_=sa.Integer())
    op.alter_column("accounts", "id", existing_type=sa.BigInteger(), type_=sa.Integer())
    op.create_foreign_key("fk_orders_account", "orders", "accounts", ["account_id"], ["id"])
    op.alter_column("products", "name", new_column_name="title")
    op.alter_column("accounts", "credit", new_column_name="balance")
    op.alter_column("orders", "pieces", new_column_name="quantity")
