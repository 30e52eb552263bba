"""Upgrade databases, each in a process of its own that is killed at the n-th change.

Reads lines of JSON, ``[url, folder, target, moment, n]``, and answers each with the exit status
of the process: minus 9 if it was killed, 0 if it was at the target before the n-th change. A
change is a statement that does not only read, or a COMMIT; the moment is "before" or "after".
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
import warnings
from itertools import count
from typing import Any

from sqlalchemy import MetaData, event

from andamios_orm import Database
from andamios_orm.migration import MigrationManager

READS = ("SELECT", "DESCRIBE", "SHOW", "WITH")


async def upgrade(url: str, folder: str, target: str, moment: str, last: int) -> None:
    """Upgrade to ``target``, and be killed if there are ``last`` changes on the way."""
    numbers = count(1)

    def note() -> None:
        if next(numbers) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(_connection: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        if not text.lstrip().upper().startswith(READS):
            note()

    async with Database(url) as database:
        engine = database.engine.sync_engine
        event.listen(engine, f"{moment}_cursor_execute", statement)
        event.listen(engine, "commit", lambda _connection: note())
        await MigrationManager(database, MetaData(), folder).upgrade(target)


def run(*job: Any) -> int:
    """Return the exit status of a process that does the job."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            asyncio.run(upgrade(*job))
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it was, this process ends here
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    # PostgreSQL before 18 stores what DuckDB only computes.
    warnings.filterwarnings("ignore", "Computed column")
    # A library of numbers has threads; those of a database there are none yet.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded")
    for line in sys.stdin:
        sys.stdout.write(f"{run(*json.loads(line))}\n")
        sys.stdout.flush()
