"""Create visits of members (one of two branches)."""

import sqlalchemy as sa
from alembic import op

revision = "s25"
down_revision = "s23"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "visits",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("member_id", sa.BigInteger, sa.ForeignKey("members.id", name="fk_visits_member")),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("length", sa.Interval, nullable=True),
        sa.Column("ticket", sa.BigInteger, sa.ForeignKey("tickets.number"), server_default="110"),
        sa.Column("score", sa.Float, server_default="0.5"),
    )
    op.create_index(op.f("ix_visits_member_id"), "visits", ["member_id"])
    op.execute("INSERT INTO visits (member_id) SELECT id FROM members WHERE id > 4 ORDER BY id")


def downgrade() -> None:
    op.drop_index(op.f("ix_visits_member_id"), table_name="visits")
    op.drop_table("visits")
