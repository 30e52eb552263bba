"""Alter tables with batch_alter_table."""

import sqlalchemy as sa
from alembic import op

revision = "s22"
down_revision = "s21"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("tags") as batch:
        batch.add_column(sa.Column("color", sa.String(10), server_default="red", nullable=False))
        batch.alter_column("size", existing_type=sa.Integer(), type_=sa.BigInteger())
        batch.create_unique_constraint("uq_tags_text_color", ["text", "color"])
        batch.create_index("ix_tags_color", ["color"])
    with op.batch_alter_table("members") as batch:
        batch.add_column(sa.Column("slug", sa.String(40)))
        batch.alter_column("status", existing_type=sa.String(10), new_column_name="state")
        batch.drop_column("seen_at")


def downgrade() -> None:
    with op.batch_alter_table("members") as batch:
        batch.add_column(
            sa.Column(
                "seen_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False
            )
        )
        batch.alter_column("state", existing_type=sa.String(10), new_column_name="status")
        batch.drop_column("slug")
    with op.batch_alter_table("tags") as batch:
        batch.drop_index("ix_tags_color")
        batch.drop_constraint("uq_tags_text_color", type_="unique")
        batch.alter_column("size", existing_type=sa.BigInteger(), type_=sa.Integer())
        batch.drop_column("color")
