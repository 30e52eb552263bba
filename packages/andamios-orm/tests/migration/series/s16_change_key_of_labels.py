"""Give labels another key."""

import sqlalchemy as sa
from alembic import op

revision = "s16"
down_revision = "s15"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("pk_labels", "labels", type_="primary")
    op.create_primary_key("pk_labels_rank", "labels", ["rank"])
    op.alter_column("labels", "word", existing_type=sa.String(10), nullable=True)


def downgrade() -> None:
    op.drop_constraint("pk_labels_rank", "labels", type_="primary")
    op.create_primary_key("pk_labels", "labels", ["product_id", "word"])
