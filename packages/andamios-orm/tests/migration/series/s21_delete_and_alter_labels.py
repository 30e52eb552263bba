"""Delete rows, then alter the same table in every way."""

import sqlalchemy as sa
from alembic import op

revision = "s21"
down_revision = "s20"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM labels WHERE product_id = 2")
    op.add_column(
        "labels", sa.Column("size", sa.Integer, server_default=sa.text("3"), nullable=False)
    )
    op.alter_column("labels", "word", existing_type=sa.String(10), new_column_name="text")
    op.execute("UPDATE labels SET text = text || '!'")
    op.alter_column("labels", "text", existing_type=sa.String(10), nullable=False)
    op.create_check_constraint("ck_labels_size", "labels", "size BETWEEN 1 AND 9")
    op.drop_column("labels", "product_id")
    op.rename_table("labels", "tags")


def downgrade() -> None:
    op.rename_table("tags", "labels")
    op.add_column("labels", sa.Column("product_id", sa.Integer))
    op.execute("UPDATE labels SET product_id = 1, text = replace(text, '!', '')")
    op.alter_column("labels", "product_id", existing_type=sa.Integer(), nullable=False)
    op.create_foreign_key("fk_labels_product", "labels", "products", ["product_id"], ["id"])
    op.drop_constraint("ck_labels_size", "labels", type_="check")
    op.alter_column("labels", "text", existing_type=sa.String(10), nullable=True)
    op.alter_column("labels", "text", existing_type=sa.String(10), new_column_name="word")
    op.drop_column("labels", "size")
    op.execute("INSERT INTO labels (product_id, word, rank) VALUES (2, 'sweet', 3)")
