"""Create products, and compute the weight of an order."""

import sqlalchemy as sa
from alembic import op

revision = "s05"
down_revision = "s04"
branch_labels = None
depends_on = None


def upgrade() -> None:
    products = op.create_table(
        "products",
        sa.Column("legacy", sa.Integer, server_default="7"),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("region", sa.String(2), server_default="eu", nullable=False),
        sa.Column("code", sa.Integer, nullable=False),
        sa.Column("sku", sa.String(10), unique=True),
        sa.Column("title", sa.String(30), nullable=False),
        sa.Column("price", sa.Numeric(8, 2), server_default=sa.text("1 + 1")),
        sa.Column("active", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.UniqueConstraint("region", "code", name="uq_products_region_code"),
    )
    op.bulk_insert(
        products,
        [
            {"id": 1, "code": 10, "sku": "s-1", "title": "Tea"},
            {"id": 2, "code": 20, "sku": "s-2", "title": "Jam"},
            {"id": 3, "code": 30, "sku": None, "title": "Bun"},
        ],
    )
    op.add_column("orders", sa.Column("weight", sa.Integer, sa.Computed("quantity * 3")))


def downgrade() -> None:
    op.drop_column("orders", "weight")
    op.drop_table("products")
