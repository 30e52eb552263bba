"""Load rows batch by batch, or stream them all, and say how much memory that took.

``python move_many_rows.py load URL COUNT`` tells after each batch how many rows are stored;
``stream`` tells how many came out, and their sum. The last number of a line is the most
memory that was resident until then, in bytes.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.models import IntegerKeyMixin, Row
from andamios_orm.repositories import BaseRepository

if TYPE_CHECKING:
    from collections.abc import Iterator

    from andamios_orm.bulk import LoadReport


class Base(Row, DeclarativeBase):
    """The tables of the test."""


class Reading(IntegerKeyMixin, Base):
    """One row of the source."""

    __tablename__ = "readings"

    number: Mapped[int]
    sensor: Mapped[str] = mapped_column(String(40))
    value: Mapped[float]


def _rows(count: int) -> Iterator[dict[str, object]]:
    for number in range(count):
        yield {"number": number, "sensor": f"sensor {number % 1000}", "value": number / 7}


def _say(report: LoadReport) -> None:
    print(report.read, _most_resident(), flush=True)  # noqa: T201 - the test reads it


async def _load(database: Database, count: int) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    readings = BaseRepository(database, Reading)
    await readings.load(_rows(count), atomic=False, progress=_say, resume="readings")


async def _stream(database: Database) -> None:
    seen = total = 0
    async with database.session() as session:
        async for reading in BaseRepository(session, Reading).stream():
            seen += 1
            total += reading.number
    print(seen, total, _most_resident())  # noqa: T201 - the test reads it


async def _main(work: str, url: str, count: int) -> None:
    async with Database(url) as database:
        await (_load(database, count) if work == "load" else _stream(database))


def _most_resident() -> int:
    """Return the most memory this program had; getrusage() tells that of its parent as well."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
