"""Call accounts members; orders go on to refer to them."""

from alembic import op

revision = "s07"
down_revision = "s06"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.rename_table("accounts", "members")
    op.execute(
        "INSERT INTO members (id, email, name, credit, zip) "
        "VALUES (6, 'fay@x.org', 'Fay', 2, '1006')"
    )


def downgrade() -> None:
    op.execute("DELETE FROM members WHERE email = 'fay@x.org'")
    op.rename_table("members", "accounts")
