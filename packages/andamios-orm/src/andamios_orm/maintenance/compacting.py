"""Giving room back: a DuckDB file is made anew, tables of PostgreSQL are vacuumed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from andamios_orm.core import Database
from andamios_orm.core.settings import url_of
from andamios_orm.dialect.registry import registry
from andamios_orm.exceptions import ConfigurationError, DatabaseAlreadyOpen
from andamios_orm.maintenance.progress import say_nothing
from andamios_orm.maintenance.rewriting import Rewriting

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Compacted", "Occupancy", "occupancy", "vacuum"]

_AGAIN: Final = 0.05
"""Seconds between two interrupts: one that comes between two statements is lost."""
_TABLES: Final = text("""
    SELECT n.nspname AS schema, c.relname AS name, pg_total_relation_size(c.oid) AS size
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
    AND (
        pg_has_role(c.relowner, 'USAGE')
        OR (SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database())
    )
    ORDER BY 1, 2
""")
_DEAD: Final = text("""
    SELECT coalesce(sum(n_live_tup), 0)::bigint AS live,
        coalesce(sum(n_dead_tup), 0)::bigint AS dead
    FROM pg_stat_user_tables
""")
_BLOCKS: Final = text("""
    SELECT block_size * total_blocks AS size, block_size * free_blocks AS free
    FROM pragma_database_size() WHERE database_name = current_database()
""")


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was vacuumed: bytes before and after, and how many tables."""

    before: int
    after: int
    tables: int

    @property
    def saved(self) -> int:
        """The bytes that were given back; below 0 if it has grown."""
        return self.before - self.after


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How much room a database takes, in bytes, and how much of that nothing uses.

    On PostgreSQL ``free`` is an estimate, from the share of dead rows.
    """

    size: int
    free: int
    tables: int


async def vacuum(
    database: Database | str | Path,
    *,
    full: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Compacted:
    """Return how much smaller a database has become.

    A DuckDB file, given by its path or URL, is made anew and compared with the old one, which
    it then replaces. Nobody may have it open; meanwhile nobody can open it. It takes as much
    room on the disk again. ``progress(done, total)`` is called with rows, on a thread. Whatever
    stops it, there is a whole file under the name.

    On PostgreSQL each table that this user may vacuum is vacuumed and analyzed, while others
    work; ``full`` writes tables anew, for which others wait. ``progress`` is called with tables.

    Raises:
        BackupFailed: the file cannot be copied without loss; nothing was changed.
        ConfigurationError: the database is no file and no PostgreSQL.
        DatabaseAlreadyOpen: this process has the file open.
        DatabaseLocked: another process has it open.
    """
    opened = database if isinstance(database, Database) else Database(url_of(database))
    tell = progress or say_nothing
    try:
        if opened.engine.dialect.name == "postgresql":
            return await _vacuum_tables(opened, tell, full=full)
        return await _rewritten(_closed_file(opened), tell)
    finally:
        if opened is not database:
            await opened.close()


async def occupancy(database: Database) -> Occupancy:
    """Return how much room a database takes, and how much ``vacuum()`` may give back at least."""
    async with database.engine.connect() as connection:
        if database.engine.dialect.name == "postgresql":
            tables = (await connection.execute(_TABLES)).all()
            rows = (await connection.execute(_DEAD)).one()
            size = sum(table.size for table in tables)
            return Occupancy(size, size * rows.dead // max(1, rows.live + rows.dead), len(tables))
        found = (await connection.execute(_BLOCKS)).one()
        tables = (
            await connection.execute(
                text(
                    "SELECT table_name FROM duckdb_tables() "
                    "WHERE database_name = current_database() AND NOT temporary"
                )
            )
        ).all()
        return Occupancy(found.size, found.free, len(tables))


def _closed_file(database: Database) -> Path:
    """Return the file of a database that nobody in this process has open.

    Raises:
        ConfigurationError: there is no such file, or not this alone.
        DatabaseAlreadyOpen: somebody has.
    """
    name = database.engine.url.database or ":memory:"
    path = Path(name).expanduser().resolve()
    if not path.is_file():
        raise ConfigurationError(f"{name} is no file that exists: vacuum() makes a file smaller")
    if any(other.path == path for other in registry):
        raise DatabaseAlreadyOpen(
            f"{path} is open in this process: close it first, for its place is taken by a new file",
            path=path,
        )
    if path.stat().st_nlink > 1:
        raise ConfigurationError(
            f"{path} has other names (hard links), which would keep the old file: remove them; "
            f"'find -samefile {path.name}' finds them"
        )
    return path


async def _rewritten(path: Path, progress: Callable[[int, int], None]) -> Compacted:
    before = path.stat().st_size  # noqa: ASYNC240 - a look, not work
    work = Rewriting(path, progress)
    running = asyncio.ensure_future(asyncio.to_thread(work.run))
    try:
        tables = await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            work.stop()
            await asyncio.wait([running], timeout=_AGAIN)
        running.exception()
        raise
    return Compacted(before, path.stat().st_size, tables)  # noqa: ASYNC240 - a look, not work


async def _vacuum_tables(
    database: Database, progress: Callable[[int, int], None], *, full: bool
) -> Compacted:
    quote: Any = database.engine.dialect.identifier_preparer.quote_identifier
    options = "FULL, ANALYZE" if full else "ANALYZE"
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        tables = (await connection.execute(_TABLES)).all()
        for done, table in enumerate(tables, 1):
            name = f"{quote(table.schema)}.{quote(table.name)}"
            await connection.exec_driver_sql(f"VACUUM ({options}) {name}")
            progress(done, len(tables))
        after = (await connection.execute(_TABLES)).all()
    return Compacted(sum(t.size for t in tables), sum(t.size for t in after), len(tables))
