"""Databases that stay open for a whole run, each lent to one test at a time, always empty.

Opening DuckDB takes longer than most tests, and so does compiling the first statements of
an engine. One that a test gives back is emptied: the tables that it has written to are made
anew, so that keys count from one again. Where that cannot be done (the test has changed the
schema, or still holds a connection), the next test gets a new one.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

import duckdb
from sqlalchemy import create_engine

from andamios_orm.core import Database
from andamios_orm.core.positions import forget_time
from andamios_orm.dialect.quoting import quoted
from andamios_orm.testing.databases import duckdb_file_url, duckdb_memory_url

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

    from sqlalchemy import MetaData

    from andamios_orm.dialect import DuckDBDatabase
    from andamios_orm.testing.prepared import PreparedDatabases

__all__ = ["LentDatabases", "Settling"]

# Without a condition it takes half the time; whatever else is listed is not known here.
_USED: Final = """
SELECT schema_name, table_name, nullif(estimated_size, 0) FROM duckdb_tables()
UNION ALL SELECT schema_name, sequence_name, last_value FROM duckdb_sequences()
"""
_TABLES_SQL: Final = """
SELECT schema_name, table_name, sql FROM duckdb_tables()
WHERE database_name = current_database() AND NOT internal ORDER BY table_oid
"""
_SEQUENCES_SQL: Final = """
SELECT schema_name, sequence_name, sql FROM duckdb_sequences()
WHERE database_name = current_database()
"""
_INDEXES_SQL: Final = """
SELECT schema_name, table_name, sql FROM duckdb_indexes()
WHERE database_name = current_database() ORDER BY index_oid
"""

# How nextval('…') may write a name: alone, quoted, behind its schema.
_QUOTES: Final = (("'", "'"), ('"', '"'), (".", "'"))
_Place = tuple[str, str]
"""The schema and the name of a table or a sequence."""


class Settling:
    """Runs coroutines to their end where no loop runs: after a test, for what it opened."""

    def __init__(self) -> None:
        """Make no loop yet."""
        self._loop: asyncio.AbstractEventLoop | None = None

    def __call__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Return when ``coroutine`` is done; in a thread, if a loop runs in this one."""
        if asyncio._get_running_loop() is None:  # noqa: SLF001 - it has no public name that does not raise
            self._run(coroutine)
            return
        failures: list[BaseException] = []
        thread = threading.Thread(target=self._run_in_thread, args=(coroutine, failures))
        thread.start()
        thread.join()
        if failures:
            raise failures[0]

    def close(self) -> None:
        """Close the loop, if one was made."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        if self._loop is None:
            self._loop = asyncio.SelectorEventLoop()
        self._loop.run_until_complete(coroutine)

    def _run_in_thread(
        self, coroutine: Coroutine[Any, Any, None], failures: list[BaseException]
    ) -> None:
        try:
            self._run(coroutine)
        except BaseException as error:  # noqa: BLE001 - raised again where it belongs
            failures.append(error)


class LentDatabases:
    """Lends a ``Database`` with the tables of a metadata, to one test of this process at a time."""

    def __init__(self, prepared: PreparedDatabases, *, keep: Path | None = None) -> None:
        """Lend databases; with ``keep``, files in that folder which stay, each lent once."""
        self.settle = Settling()
        self._prepared = prepared
        self._keep = keep
        self._kept = 0
        self._free: dict[tuple[MetaData, str], list[_Memory]] = {}
        self._held: dict[MetaData, Database] = {}
        self._holding = ExitStack()

    @contextmanager
    def duckdb(self, metadata: MetaData, purpose: str = "committing") -> Iterator[Database]:
        """Yield a DuckDB database with the tables of ``metadata``, without rows.

        It is in memory, unless it is kept. One whose ``purpose`` is ``rollback`` goes on
        counting keys where the last test stopped, if nothing was committed.
        """
        if self._keep is not None:
            with self._in_file(metadata, self._keep) as database:
                yield database
            return
        free = self._free.setdefault((metadata, purpose), [])
        lent = free.pop() if free else _Memory(metadata)
        try:
            yield lent.database
        finally:
            lent.database.cache.clear()
            if lent.emptied(sequences=purpose == "committing"):
                free.append(lent)
            else:
                lent.close(self.settle)

    @contextmanager
    def postgresql(self, metadata: MetaData) -> Iterator[Database]:
        """Yield a PostgreSQL database with the tables of ``metadata``, without rows."""
        kept = nullcontext(self._prepared.kept_postgresql(metadata)) if self._keep else None
        with kept or self._prepared.postgresql(metadata) as url:
            database = Database(url)
            try:
                yield database
            finally:
                self.settle(database.close(grace=0))

    def held_postgresql(self, metadata: MetaData) -> Database:
        """Return the PostgreSQL database whose tests roll back, the same until the end."""
        if metadata not in self._held:
            url = self._holding.enter_context(self._prepared.postgresql(metadata))
            self._held[metadata] = Database(url)
        return self._held[metadata]

    def close(self) -> None:
        """Close all of them."""
        for free in self._free.values():
            for lent in free:
                lent.close(self.settle)
        self._free.clear()
        for database in self._held.values():
            self.settle(database.close(grace=0))
        self._held.clear()
        self._holding.close()
        self.settle.close()

    @contextmanager
    def _in_file(self, metadata: MetaData, folder: Path) -> Iterator[Database]:
        self._kept += 1
        path = folder / f"kept_{self._kept}.duckdb"
        engine = create_engine(duckdb_file_url(path))
        metadata.create_all(engine)
        engine.dispose()
        database = Database(duckdb_file_url(path))
        try:
            yield database
        finally:
            self.settle(database.close(grace=0))


class _Memory:
    """A DuckDB database in memory, and what is needed to empty it."""

    def __init__(self, metadata: MetaData) -> None:
        url = duckdb_memory_url()
        # It refers to the database, so that closing the other engine loses nothing.
        self._anchor = create_engine(url)
        metadata.create_all(self._anchor)
        self._anchor.connect().close()
        dialect: Any = self._anchor.dialect
        self._opened: DuckDBDatabase = dialect.holder.database
        self._raw, self._epoch = self._opened.cursor()
        self._statements = _Statements(self._raw)
        self._schema_changes = self._opened.schema_changes
        self._commits = self._opened.commits
        self.database = Database(url)

    def emptied(self, *, sequences: bool) -> bool:
        """Return whether the database is again as it was when it was made."""
        opened, pool = self._opened, self.database.engine.pool
        in_use: int = pool.checkedout()  # type: ignore[attr-defined]  # our pools count
        known = (0, "open", self._epoch, self._schema_changes)
        if (in_use, opened.state, opened.epoch, opened.schema_changes) != known:
            return False
        if sequences or opened.commits != self._commits:
            try:
                self._raw.execute(self._statements.that_empty(self._raw))
            except duckdb.Error:
                return False
            forget_time(opened)  # of a clock that stood still, or was ahead
        self._commits = opened.commits
        return True

    def close(self, settle: Settling) -> None:
        """Close it, whoever uses it."""
        settle(self.database.close(grace=0))
        self._raw.close()
        self._anchor.dispose()


class _Statements:
    """The statements that make the tables of a database, and so empty those with rows."""

    def __init__(self, raw: duckdb.DuckDBPyConnection) -> None:
        self._tables = {(schema, name): sql for schema, name, sql in _all(raw, _TABLES_SQL)}
        self._sequences = {(schema, name): sql for schema, name, sql in _all(raw, _SEQUENCES_SQL)}
        self._indexes: dict[_Place, list[str]] = {}
        for schema, table, sql in _all(raw, _INDEXES_SQL):
            self._indexes.setdefault((schema, table), []).append(sql)
        # A table that others refer to cannot be dropped alone.
        self._bound = any(" REFERENCES " in sql for sql in self._tables.values())
        self._counting = {
            place: {table for table, sql in self._tables.items() if _mentions(sql, place[1])}
            for place in self._sequences
        }

    def that_empty(self, raw: duckdb.DuckDBPyConnection) -> str:
        """Return the statements for the tables that have rows, and the sequences that were used."""
        used = {(schema, name) for schema, name, use in _all(raw, _USED) if use is not None}
        counted = used & self._sequences.keys()
        touched = (used & self._tables.keys()).union(*(self._counting[each] for each in counted))
        if touched and self._bound:
            touched = set(self._tables)
        if not touched and not counted:
            return ""
        again = [place for place in self._tables if place in touched]
        return "".join(
            (
                "BEGIN;",
                *(f"DROP TABLE {_written(place)};" for place in reversed(again)),
                *(f"DROP SEQUENCE {_written(place)};" for place in counted),
                *(self._sequences[place] for place in counted),
                *(self._tables[place] for place in again),
                *(sql for place in again for sql in self._indexes.get(place, ())),
                "COMMIT",
            )
        )


def _all(raw: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return raw.execute(query).fetchall()


def _written(place: _Place) -> str:
    return ".".join(map(quoted, place))


def _mentions(sql: str, sequence: str) -> bool:
    return any(f"{before}{sequence}{after}" in sql for before, after in _QUOTES)
