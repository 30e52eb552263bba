"""Drop a column, one in an index, and one that is computed."""

import sqlalchemy as sa
from alembic import op

revision = "s11"
down_revision = "s10"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("orders", "note")
    op.drop_column("members", "zip")
    op.drop_column("members", "double_balance")


def downgrade() -> None:
    op.add_column("members", sa.Column("double_balance", sa.Integer, sa.Computed("credit * 2")))
    op.add_column("members", sa.Column("zip", sa.Integer, comment="where to send to"))
    op.execute("UPDATE members SET zip = 1000 + id WHERE email <> 'gus@x.org'")
    op.create_index("ix_accounts_zip", "members", ["zip"])
    op.add_column("orders", sa.Column("note", sa.Text))
    op.execute("UPDATE orders SET note = 'n' || id")
