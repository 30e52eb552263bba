"""Give an index other columns under the name it has, and drop another."""

import sqlalchemy as sa
from alembic import op

revision = "s03"
down_revision = "s02"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_orders_account_id", table_name="orders")
    op.create_index("ix_orders_account_id", "orders", ["account_id", "placed_on"])
    op.drop_index("ix_orders_lower_number", table_name="orders")
    op.create_index("ix_accounts_lower_email", "accounts", [sa.text("lower(email)")], unique=True)


def downgrade() -> None:
    op.drop_index("ix_accounts_lower_email", table_name="accounts")
    op.create_index("ix_orders_lower_number", "orders", [sa.text("lower(number)")])
    op.drop_index("ix_orders_account_id", table_name="orders")
    op.create_index("ix_orders_account_id", "orders", ["account_id"])
