"""Add constraints to tables with rows."""

import sqlalchemy as sa
from alembic import op

revision = "s13"
down_revision = "s12"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_unique_constraint(op.f("uq_products_code"), "products", ["code"])
    op.create_unique_constraint("uq_products_name", "products", ["name", "price"])
    op.create_check_constraint("ck_products_price", "products", "price >= 0")
    op.create_check_constraint("ck_products_name", "products", sa.column("name") != "")
    op.add_column("orders", sa.Column("product_id", sa.Integer))
    op.execute("UPDATE orders SET product_id = 1 WHERE id < 3")
    op.create_foreign_key("fk_orders_product", "orders", "products", ["product_id"], ["id"])


def downgrade() -> None:
    op.drop_constraint("fk_orders_product", "orders", type_="foreignkey")
    op.drop_column("orders", "product_id")
    op.drop_constraint("ck_products_name", "products", type_="check")
    op.drop_constraint("ck_products_price", "products", type_="check")
    op.drop_constraint("uq_products_name", "products", type_="unique")
    op.drop_constraint(op.f("uq_products_code"), "products", type_="unique")
