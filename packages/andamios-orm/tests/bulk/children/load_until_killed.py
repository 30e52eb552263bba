"""Load rows batch by batch and say how far it has come, until somebody ends it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.bulk import LoadReport, load
from andamios_orm.models.base import Row
from andamios_orm.models.mixins import IntegerKeyMixin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Base(Row, DeclarativeBase):
    """The tables of the test."""


class Reading(IntegerKeyMixin, Base):
    """One row of the source."""

    __tablename__ = "readings"

    number: Mapped[int] = mapped_column()


async def _rows(count: int) -> AsyncIterator[dict[str, int]]:
    for number in range(count):
        yield {"number": number}


def _say(report: LoadReport) -> None:
    print(report.read, flush=True)  # noqa: T201 - the test reads it


async def _main(url: str, count: int) -> None:
    async with Database(url) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        await load(
            database,
            Reading,
            _rows(count),
            atomic=False,
            batch_size=200,
            progress=_say,
            resume="readings",
        )


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
