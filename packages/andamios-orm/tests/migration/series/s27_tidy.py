"""Drop what is spare, and change what both branches made."""
# Alembic lists only operations of its own.
# mypy: disable-error-code="attr-defined"

import sqlalchemy as sa
from alembic import op

revision = "s27"
down_revision = "s26"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_sequence("spare_numbers")
    op.drop_enum("spare")
    op.execute("UPDATE visits SET score = 1.5 WHERE id = 1")
    op.alter_column("visits", "score", existing_type=sa.Float(), nullable=False)
    op.alter_column("visits", "score", existing_type=sa.Float(), new_column_name="points")
    op.rename_table("tickets", "requests")
    op.drop_table("tags")


def downgrade() -> None:
    op.create_table(
        "tags",
        sa.Column("text", sa.String(10), nullable=False),
        sa.Column("rank", sa.Integer, server_default="0", autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger, server_default=sa.text("3"), nullable=False),
        sa.Column("color", sa.String(10), server_default="red", nullable=False),
        sa.PrimaryKeyConstraint("rank", name="pk_labels_rank"),
        sa.UniqueConstraint("text", "color", name="uq_tags_text_color"),
        sa.CheckConstraint("size BETWEEN 1 AND 9", name="ck_labels_size"),
    )
    op.create_index("ix_labels_word", "tags", ["text"])
    op.create_index("ix_tags_color", "tags", ["color"])
    op.execute("INSERT INTO tags (text, rank) VALUES ('hot!', 1), ('green!', 2)")
    op.rename_table("requests", "tickets")
    op.alter_column("visits", "points", existing_type=sa.Float(), new_column_name="score")
    op.alter_column("visits", "score", existing_type=sa.Float(), nullable=True)
    op.execute("UPDATE visits SET score = 0.5")
    op.create_enum("spare", ["it's", "a: b"])
    op.create_sequence("spare_numbers")
