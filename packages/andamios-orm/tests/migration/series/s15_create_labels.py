"""Create labels without a key, and give them one."""

import sqlalchemy as sa
from alembic import op

revision = "s15"
down_revision = "s14"
branch_labels = None
depends_on = None


def upgrade() -> None:
    labels = op.create_table(
        "labels",
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id", name="fk_labels_product")),
        sa.Column("word", sa.String(10)),
        sa.Column("rank", sa.Integer, nullable=False, server_default="0"),
    )
    op.bulk_insert(
        labels,
        [
            {"product_id": 1, "word": "hot", "rank": 1},
            {"product_id": 1, "word": "green", "rank": 2},
            {"product_id": 2, "word": "sweet", "rank": 3},
        ],
    )
    op.create_primary_key("pk_labels", "labels", ["product_id", "word"])
    op.create_index("ix_labels_word", "labels", ["word"])


def downgrade() -> None:
    op.drop_constraint("pk_labels", "labels", type_="primary")
    op.drop_table("labels")
