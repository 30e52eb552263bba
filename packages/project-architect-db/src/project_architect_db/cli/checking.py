"""What the doctor looks at beside the database itself."""

from __future__ import annotations

import asyncio
import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from andamios_orm._compat import installed
from andamios_orm.cli.checking import Finding

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


async def findings(
    project: Project,  # noqa: ARG001 - what every program is told
    database: Database,  # noqa: ARG001 - likewise
    access: Finding,  # noqa: ARG001 - likewise
) -> AsyncIterator[Finding]:
    """Yield what is found, one thing after another."""
    for extra, (package, purpose) in _EXTRAS.items():
        yield _extra(extra, package, purpose)
    yield await _git()


def _extra(extra: str, package: str, purpose: str) -> Finding:
    if find_spec(package) is None:
        remedy = f'pip install "project-architect-db[{extra}]"'
        return Finding(f"extra {extra}", "warn", f"no {package}, for {purpose}", remedy)
    version = installed([package])[package]
    return Finding(f"extra {extra}", "ok", f"{package} {version}, for {purpose}")


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
