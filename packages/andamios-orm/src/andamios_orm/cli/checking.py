"""What the doctor looks at, and what it says to do."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from andamios_orm._compat import installed
from andamios_orm.cli.project import imported
from andamios_orm.exceptions import AndamiosError, DatabaseLocked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from andamios_orm.cli.project import Project
    from andamios_orm.core import Database

__all__ = ["Finding", "findings"]

_PACKAGES: Final = ("andamios-orm", "sqlalchemy", "alembic", "duckdb", "duckdb-sqlalchemy")
_ENOUGH: Final = 2**30
_LONG_LOG: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``state`` is ok, warn or fail."""

    check: str
    state: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return a line, and a second one with the remedy if there is one."""
        remedy = f"\n       -> {self.remedy}" if self.remedy else ""
        return f"{self.state:<4} {self.check}: {self.found}{remedy}"


async def findings(project: Project) -> AsyncIterator[Finding]:
    """Yield what is found, one thing after another."""
    packages = dict.fromkeys((project.program.name, *_PACKAGES))
    there = ", ".join(f"{name} {version}" for name, version in installed(packages).items())
    yield Finding("versions", "ok", f"Python {platform.python_version()}, {there}")
    if project.url.value is None:
        remedy = f"pass --url, or set {project.program.variables['url']}"
        yield Finding("settings", "fail", "no database is named", remedy)
        return
    yield Finding("settings", "ok", f"{project.settings().safe_url} from {project.url.origin}")
    async with project.looked_at() as database:
        for finding in _files(project.path):
            yield finding
        access = await _access(database, project.program.name)
        yield access
        if access.state == "ok":
            yield await _migrations(project, database)
        if project.program.findings is not None:
            async for finding in imported(project.program.findings)(project, database, access):
                yield finding


def _files(path: Path | None) -> list[Finding]:
    if path is None:
        return []
    found: list[Finding] = []
    if path.parent.is_dir():
        free = shutil.disk_usage(path.parent).free
        state, remedy = ("ok", "") if free > _ENOUGH else ("warn", "make room on this disk")
        found.append(Finding("disk", state, f"{free >> 20} MiB free beside {path.name}", remedy))
    log = Path(f"{path}.wal")
    size = log.stat().st_size if log.exists() else 0
    if size > _LONG_LOG:
        remedy = "open and close the database once: that writes the log back"
        found.append(Finding("log", "warn", f"{size >> 20} MiB wait in {log.name}", remedy))
    else:
        found.append(Finding("log", "ok", f"{size} bytes wait to be written back"))
    return found


async def _access(database: Database, name: str) -> Finding:
    """Return whether the database answers and can be written; ``name`` is the program's."""
    try:
        async with database.engine.connect() as connection:
            await connection.execute(text("CREATE TEMPORARY TABLE andamios_doctor (a INTEGER)"))
            await connection.rollback()
    except DatabaseLocked as error:
        holder = f"process {error.pid}" if error.pid else "another process"
        remedy = f"stop {holder}, or ask it: only one process can open a DuckDB file"
        return Finding("access", "fail", f"{holder} has the file open", remedy)
    except (AndamiosError, SQLAlchemyError, OSError) as error:
        first = str(error).splitlines()[0]
        return Finding("access", "fail", first, f"{name} explain {type(error).__name__}")
    return Finding("access", "ok", "it answers, and can be written")


async def _migrations(project: Project, database: Database) -> Finding:
    """Return whether the database is at the newest revision."""
    if project.models.value is None and project.program.manager is None:
        return Finding("migrations", "warn", "no models are named", "pass --models app.models:Base")
    try:
        pending = await project.manager(database).pending()
    except AndamiosError as error:
        return Finding("migrations", "warn", project.program.worded(str(error)))
    if pending:
        listed = ", ".join(each.id for each in pending)
        return Finding("migrations", "warn", f"{listed} pending", f"{project.program.name} migrate")
    return Finding("migrations", "ok", "the database is at the newest revision")
