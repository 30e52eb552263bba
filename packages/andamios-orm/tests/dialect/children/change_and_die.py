"""Run each schema change on a file of its own, then die without closing any of them.

Reads ``[[url, [statement, ...]], ...]`` as JSON from standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours


async def main(work: list[tuple[str, list[str]]]) -> None:
    """Run the statements, each in a transaction of its own."""
    engines = []
    for url, statements in work:
        engine = create_async_engine(url, threads=1)
        engines.append(engine)
        for statement in statements:
            async with engine.begin() as connection:
                await connection.execute(text(statement))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(json.load(sys.stdin)))
