"""Require slugs."""

import sqlalchemy as sa
from alembic import op

revision = "s24"
down_revision = "s23"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("members", "slug", existing_type=sa.String(40), nullable=False)
    op.create_index("ux_members_slug", "members", ["slug"], unique=True)
    op.execute("UPDATE members SET slug = 'the-' || slug WHERE id = 3")
    op.alter_column("members", "slug", existing_type=sa.String(40), type_=sa.String(50))


def downgrade() -> None:
    op.alter_column("members", "slug", existing_type=sa.String(50), type_=sa.String(40))
    op.execute("UPDATE members SET slug = 'unknown' WHERE id = 3")
    op.drop_index("ux_members_slug", table_name="members")
    op.alter_column("members", "slug", existing_type=sa.String(40), nullable=True)
