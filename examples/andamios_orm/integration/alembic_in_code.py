"""Alembic through the async engine, called from code.

Shows a migration written with ``op``, autogenerate against the models, an upgrade and a
downgrade, each inside ``run_sync``, without a configuration file.

Prints the differences that autogenerate finds before and after. Costs: a handful of
catalogue queries for each comparison.

Edge cases: DuckDB cannot alter a table while it has an explicit index (drop the index,
alter, create it again); a migration is one transaction, DDL included, so a failed one leaves
the old version; checkpoint after each one, so that no crash has to replay an ALTER.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, run

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Base(DeclarativeBase):
    """The tables of this example."""


class Project(Base):
    """What the models say; the migrations below have to lead there."""

    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(sa.String)
    status: Mapped[str | None] = mapped_column(sa.String)


def differences(connection: Connection) -> list[str]:
    """Return what autogenerate would write."""
    found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    return [str(difference[0]) for difference in found]


def first(connection: Connection) -> None:
    """Create projects."""
    op = Operations(MigrationContext.configure(connection))
    op.create_table(
        "projects",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String, nullable=False),
    )


def second(connection: Connection) -> None:
    """Add the status of projects."""
    Operations(MigrationContext.configure(connection)).add_column(
        "projects", sa.Column("status", sa.String, nullable=True)
    )


def second_undone(connection: Connection) -> None:
    """Drop the status of projects."""
    Operations(MigrationContext.configure(connection)).drop_column("projects", "status")


async def main() -> None:
    """Migrate a file up, down and up again."""
    with tempfile.TemporaryDirectory() as folder:
        async with Database(f"duckdb:///{Path(folder) / 'projects.duckdb'}") as database:
            for migration in (None, first, second, second_undone, second):
                if migration is not None:
                    async with database.engine.begin() as connection:
                        await connection.run_sync(migration)
                    autocommit = database.engine.execution_options(isolation_level="AUTOCOMMIT")
                    async with autocommit.connect() as connection:
                        await connection.execute(sa.text("CHECKPOINT"))
                async with database.engine.connect() as connection:
                    left = await connection.run_sync(differences)
                name = "nothing" if migration is None else migration.__name__
                print(f"after {name:14} autogenerate would: {left or 'do nothing'}")


if __name__ == "__main__":
    run(main())
