"""Change rows, and the type of the very columns, in one revision."""

import sqlalchemy as sa
from alembic import op

revision = "s09"
down_revision = "s08"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE members SET name = 'unknown' WHERE name IS NULL")
    op.alter_column("members", "name", existing_type=sa.String(40), nullable=False)
    op.execute("UPDATE orders SET note = 'n' || id")
    op.alter_column("orders", "note", existing_type=sa.String(20), type_=sa.Text())
    op.execute(
        sa.text("UPDATE orders SET currency = :new WHERE id = :id").bindparams(new="USD", id=2)
    )
    op.alter_column("orders", "currency", existing_type=sa.String(3), server_default=None)
    op.alter_column(
        "orders",
        "currency",
        existing_type=sa.String(3),
        type_=sa.Integer(),
        postgresql_using="CASE currency WHEN 'EUR' THEN 978 ELSE 840 END",
    )
    op.alter_column("orders", "currency", existing_type=sa.Integer(), server_default="978")


def downgrade() -> None:
    op.alter_column("orders", "currency", existing_type=sa.Integer(), server_default=None)
    op.alter_column(
        "orders",
        "currency",
        existing_type=sa.Integer(),
        type_=sa.String(3),
        postgresql_using="CASE currency WHEN 978 THEN 'EUR' ELSE 'USD' END",
    )
    op.alter_column("orders", "currency", existing_type=sa.String(3), server_default="EUR")
    op.execute("UPDATE orders SET currency = 'EUR'")
    op.execute("UPDATE orders SET note = NULL")
    op.alter_column("orders", "note", existing_type=sa.Text(), type_=sa.String(20))
    op.alter_column("members", "name", existing_type=sa.String(40), nullable=True)
    op.execute("UPDATE members SET name = NULL WHERE name = 'unknown'")
