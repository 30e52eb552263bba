"""Drop a column of a unique constraint, and one before a unique column."""

import sqlalchemy as sa
from alembic import op

revision = "s12"
down_revision = "s11"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("products", "region")
    op.drop_column("products", "legacy")


def downgrade() -> None:
    op.add_column("products", sa.Column("legacy", sa.Integer, server_default="7"))
    op.add_column(
        "products", sa.Column("region", sa.String(2), server_default="eu", nullable=False)
    )
    op.create_unique_constraint("uq_products_region_code", "products", ["region", "code"])
