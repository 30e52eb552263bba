"""Drop a constraint of each kind."""

import sqlalchemy as sa
from alembic import op

revision = "s14"
down_revision = "s13"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("uq_products_name", "products", type_="unique")
    op.drop_constraint("ck_products_name", "products", type_="check")
    op.drop_constraint("fk_orders_parent", "orders", type_="foreignkey")
    op.drop_constraint("ck_orders_quantity", "orders", type_="check")
    op.drop_constraint(op.f("uq_accounts_email"), "members", type_="unique")


def downgrade() -> None:
    op.create_unique_constraint(op.f("uq_accounts_email"), "members", ["email"])
    op.create_check_constraint("ck_orders_quantity", "orders", "pieces > 0 AND pieces < 1000")
    op.create_foreign_key("fk_orders_parent", "orders", "orders", ["parent_id"], ["id"])
    op.create_check_constraint("ck_products_name", "products", sa.column("name") != "")
    op.create_unique_constraint("uq_products_name", "products", ["name", "price"])
