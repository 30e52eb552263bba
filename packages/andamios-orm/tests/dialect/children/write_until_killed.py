"""Write to a DuckDB file until the process is killed.

Every line of output is a step that has been acknowledged (or, for ``dropping``, is
about to happen). The first argument is the URL, the second the first number to
use, and ``ddl`` as third changes tables as well.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLES = (
    "CREATE TABLE IF NOT EXISTS singles (n BIGINT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS batches (n BIGINT, part INTEGER, PRIMARY KEY (n, part))",
    "CREATE TABLE IF NOT EXISTS debits (n BIGINT UNIQUE, filler VARCHAR)",
    "CREATE TABLE IF NOT EXISTS credits (n BIGINT, filler VARCHAR)",
    "CREATE SEQUENCE IF NOT EXISTS ids",
)
PARTS = 20
KEPT = 3
"""How many of the tables that a round makes are left standing."""


def say(step: str, number: int) -> None:
    """Report a step; the line is in the pipe when this returns."""
    os.write(1, f"{step} {number}\n".encode())


async def write_singles(engine: AsyncEngine, numbers: Iterator[int]) -> None:
    """Insert one row per transaction."""
    for number in numbers:
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO singles VALUES (:n)"), {"n": number})
        say("single", number)


async def write_batches(engine: AsyncEngine, numbers: Iterator[int]) -> None:
    """Insert the parts of a batch by several statements of one transaction."""
    for number in numbers:
        async with engine.begin() as connection:
            for part in range(PARTS):
                await connection.execute(
                    text("INSERT INTO batches VALUES (:n, :part)"), {"n": number, "part": part}
                )
        say("batch", number)


async def write_pairs(engine: AsyncEngine, numbers: Iterator[int]) -> None:
    """Insert into two tables in one transaction."""
    for number in numbers:
        row = {"n": number, "filler": str(number) * 200}
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO debits VALUES (:n, :filler)"), row)
            await connection.execute(text("INSERT INTO credits VALUES (:n, :filler)"), row)
        say("pair", number)


async def change_tables(engine: AsyncEngine, numbers: Iterator[int]) -> None:
    """Make a table in many steps of one transaction, change it in another, drop an old one."""
    waiting: list[int] = []
    for number in numbers:
        name = f"made_{number}"
        async with engine.begin() as connection:
            for statement in (
                f"CREATE TABLE {name} (id BIGINT DEFAULT nextval('ids'), n VARCHAR)",
                f"ALTER TABLE {name} ADD COLUMN at_ TIMESTAMPTZ DEFAULT now()",
                f"INSERT INTO {name} (n) VALUES ('1'), ('2')",
                f"ALTER TABLE {name} ADD COLUMN note VARCHAR DEFAULT 'none'",
                f"ALTER TABLE {name} RENAME COLUMN at_ TO made",
                f"ALTER TABLE {name} ALTER n TYPE INTEGER USING CAST(n AS INTEGER) + 1",
                f"CREATE INDEX {name}_n ON {name} (n)",
            ):
                await connection.execute(text(statement))
        say("made", number)
        async with engine.begin() as connection:
            await connection.execute(text(f"ALTER TABLE {name} ADD COLUMN added INTEGER DEFAULT 5"))
        say("added", number)
        waiting.append(number)
        if len(waiting) > KEPT:
            oldest = waiting.pop(0)
            say("dropping", oldest)
            async with engine.begin() as connection:
                await connection.execute(text(f"DROP TABLE made_{oldest}"))
            say("dropped", oldest)


async def main(url: str, first: int, *, ddl: bool) -> None:
    """Write in several tasks at once."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        for statement in TABLES:
            await connection.execute(text(statement))
    say("ready", first)
    writers = [write_singles, write_batches, write_pairs, *([change_tables] if ddl else [])]
    await asyncio.gather(*(writer(engine, itertools.count(first)) for writer in writers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), ddl="ddl" in sys.argv[3:]))
