"""Look after a database: copy it, look it over, give room back, move it.

Shows: a backup of each form and a restore, ``verify``, ``analyze``, ``vacuum``, a snapshot
for other tools, and ``copy_to``, which moves a database to another kind as well.

Prints what each of them has found or done.

Costs: writers wait while a backup copies the file, readers never do. ``verify`` and
``copy_to`` read every row, ``vacuum`` writes every row anew and wants the file closed.

Edge cases: nothing is overwritten unless that is said; what is broken off leaves the file
whole; a copy that was broken off goes on.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from sqlalchemy import MetaData, delete
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, run
from andamios_orm.maintenance import (
    analyze,
    backup,
    copy_to,
    occupancy,
    restore,
    snapshot,
    vacuum,
    verify,
)
from andamios_orm.models import IntegerKeyMixin, Row
from andamios_orm.repositories import BaseRepository


class Base(Row, DeclarativeBase):
    """The tables of this example."""


class Reading(IntegerKeyMixin, Base):
    """What a sensor has measured."""

    __tablename__ = "readings"

    sensor: Mapped[str] = mapped_column(index=True)
    value: Mapped[float]


METADATA: MetaData = Base.metadata


async def copies(database: Database, folder: Path) -> None:
    """Copy the file while others may write, and put a copy back."""
    copy = await backup(database, folder / "monday.duckdb")
    print("backup:", copy.path.name, copy.rows["main.readings"], "readings")
    again = await restore(copy.path, folder / "again.duckdb", digest=copy.digest)
    print("restored:", again.path.name, "the same rows:", again.rows == copy.rows)
    opened = await backup(database, folder / "monday", form="open")
    print("open form:", *sorted(path.name for path in opened.path.iterdir()))
    shown = await snapshot(database, folder / "now.duckdb")
    print("snapshot, read-only:", shown.path.name)


async def condition(database: Database) -> None:
    """Read all of it, and look it over."""
    found = await verify(database, metadata=METADATA)
    print("sound:", found.sound, "with", found.rows, "rows")
    analysis = await analyze(database, metadata=METADATA)
    for table in analysis.tables:
        if table.name == "readings":
            print("deleted rows that scans still read:", table.deleted_rows)
    for sentence in analysis.advice:
        print("-", sentence)


async def room(database: Database, path: Path) -> None:
    """Give back what deleted rows took, with the file closed."""
    before = await occupancy(database)
    print("tables:", before.tables)
    await database.close()
    done = await vacuum(path)
    print("smaller:", done.saved > 0)


async def move(path: Path, target: str) -> None:
    """Copy all rows into another database; a URL of PostgreSQL does as well."""
    async with Database(f"duckdb:///{path}") as here, Database(target) as there:
        copied = await copy_to(here, there, metadata=METADATA)
    print("copied and compared:", copied.rows["readings"], "readings")


async def main() -> None:
    """Fill a file, delete most of it, and look after it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "shop.duckdb"
        database = Database(f"duckdb:///{path}")
        async with database.engine.begin() as connection:
            await connection.run_sync(METADATA.create_all)
        rows = [{"sensor": f"s{at % 1_000}", "value": at / 7} for at in range(100_000)]
        await BaseRepository(database, Reading).bulk_create(rows)
        async with database.transaction() as session:
            await session.execute(delete(Reading).where(Reading.id > 10_000))

        await copies(database, folder)
        await condition(database)
        await room(database, path)
        await move(path, f"duckdb:///{folder / 'moved.duckdb'}")


if __name__ == "__main__":
    run(main())
