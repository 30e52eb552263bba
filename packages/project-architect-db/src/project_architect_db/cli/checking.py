"""What the doctor looks at beside the database itself."""

from __future__ import annotations

import asyncio
import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import SQLAlchemyError

from andamios_orm._compat import installed
from andamios_orm.cli.checking import Finding
from andamios_orm.exceptions import AndamiosError
from project_architect_db.cli.asking import shown
from project_architect_db.repositories import SearchRepository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from andamios_orm.cli.project import Project
    from andamios_orm.core import Database

__all__ = ["findings"]

_EXTRAS: Final = {
    "arrow": ("pyarrow", "Parquet and Arrow"),
    "postgresql": ("psycopg", "PostgreSQL"),
    "search": ("tantivy", "search in a DuckDB file"),
}
"""What is installed by an extra, and what for."""


async def findings(project: Project, database: Database, access: Finding) -> AsyncIterator[Finding]:
    """Yield what is found, one thing after another."""
    for extra, (package, purpose) in _EXTRAS.items():
        yield _extra(extra, package, purpose)
    yield await _git()
    if access.state == "ok" and (project.path is None or project.path.is_file()):
        yield await _search(database)


def _extra(extra: str, package: str, purpose: str) -> Finding:
    if find_spec(package) is None:
        remedy = f'pip install "project-architect-db[{extra}]"'
        return Finding(f"extra {extra}", "warn", f"no {package}, for {purpose}", remedy)
    version = installed([package])[package]
    return Finding(f"extra {extra}", "ok", f"{package} {version}, for {purpose}")


async def _search(database: Database) -> Finding:
    """Return whether the search is up to date; the next one brings it there by itself."""
    try:
        status = await SearchRepository(database).status()
    except (AndamiosError, SQLAlchemyError) as error:
        return Finding("search", "warn", shown(str(error).splitlines()[0]))
    entries = "" if status.entries is None else f"{status.entries:,} entries, "
    behind = f"{status.behind:,} changes to catch up with"
    found = f"{status.system}: {entries}{behind}"
    return Finding("search", "warn" if status.note else "ok", found, status.note or "")


async def _git() -> Finding:
    """Return whether clones can be imported."""
    place = shutil.which("git")
    if place is None:
        remedy = "install git: it reads the clones that are imported"
        return Finding("git", "warn", "it is not on the PATH", remedy)
    running = await asyncio.create_subprocess_exec(
        place, "--version", stdout=asyncio.subprocess.PIPE
    )
    said, _ = await running.communicate()
    return Finding("git", "ok", f"{said.decode().strip()} in {place}")
