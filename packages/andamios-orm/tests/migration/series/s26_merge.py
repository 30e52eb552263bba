"""Merge the branches."""

revision = "s26"
down_revision = ("s24", "s25")
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
