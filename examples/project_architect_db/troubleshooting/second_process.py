"""``DatabaseLocked``: a second process opens the DuckDB file.

Shows the failure in a process of its own, the words of the error with the process that has the
file, and the cures: one process with many tasks, closing first, a copy for other tools, or
PostgreSQL.

Prints what each process says. Costs: one process serves thousands of tasks; a snapshot is a
copy of the file.

Edge cases: a second worker of the web server, a notebook and the ``duckdb`` shell are other
processes; a second engine in the same process shares the first one's database; a file whose
process was killed is free at once.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from andamios_orm import run
from andamios_orm.exceptions import DatabaseLocked
from andamios_orm.maintenance import snapshot
from project_architect_db.core import DatabaseEngine
from project_architect_db.repositories import ProjectRepository


async def count(url: str) -> None:
    """What the other process does: ask how many projects there are."""
    try:
        async with DatabaseEngine(url) as engine:
            print("  counted:", await ProjectRepository(engine).count())
    except DatabaseLocked as error:
        mine = error.pid == os.getppid()
        print("  the error:", type(error).__name__, "by the one who started me:", mine)


async def in_another_process(url: str) -> None:
    """Run this file again, with the URL as its argument."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, url), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    print(printed.decode(), end="")


async def main() -> None:
    """Open a file, and let another process try."""
    with TemporaryDirectory() as folder:
        url = f"duckdb:///{Path(folder) / 'architect.duckdb'}"
        copy = Path(folder) / "copy.duckdb"
        async with DatabaseEngine(url) as engine:
            await engine.initialize()
            projects = ProjectRepository(engine)
            await projects.create({"name": "Torre", "project_idea": "A tower with a view"})
            print("while the file is open:")
            await in_another_process(url)
            print("cure 1, a second engine in the same process:")
            await count(url)
            print("cure 2, another process with a copy:")
            await snapshot(engine, copy)
            await in_another_process(f"duckdb:///{copy}")
        print("cure 3, after it was closed:")
        await in_another_process(url)
        print("cure 4: postgresql://user@host/name, where many processes may write")


if __name__ == "__main__":
    run(count(sys.argv[1]) if sys.argv[1:] else main())
