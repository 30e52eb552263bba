"""Use databases and report, one line of JSON each, what came of it.

Arguments: one SQL statement, then the URLs. An answer is ``{"rows": [...]}`` or
``{"error": name, "message": text, "pid": number}``.
"""

from __future__ import annotations

import asyncio
import json
import sys

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

import andamios_orm  # noqa: F401 - makes duckdb:// ours


async def main(url: str, statement: str) -> None:
    """Run one statement in a transaction."""
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            result = await connection.execute(text(statement))
            rows = [list(row) for row in result] if result.returns_rows else []
        print(json.dumps({"rows": rows}))  # noqa: T201 - the answer
    except Exception as error:  # noqa: BLE001 - reported
        pid = getattr(error, "pid", None)
        answer = {"error": type(error).__name__, "message": str(error), "pid": pid}
        print(json.dumps(answer))  # noqa: T201 - the answer
    await engine.dispose()


if __name__ == "__main__":
    for place in sys.argv[2:]:
        asyncio.run(main(place, sys.argv[1]))
