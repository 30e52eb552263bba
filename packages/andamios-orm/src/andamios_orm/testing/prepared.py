"""Databases whose tables are there already, each lent to one test at a time.

Making tables takes far longer than most tests. A DuckDB file is a copy of a template; a
PostgreSQL database is emptied after the test, and dropped where the test has left
something in its catalogue that dropping the tables it made does not remove.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Final

from andamios_orm.testing.databases import duckdb_file_url, remove_duckdb_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import MetaData

    from andamios_orm.testing.databases import PostgresDatabases

__all__ = ["PreparedDatabases"]

_FIRST_OID: Final = 16_384  # lower ones are PostgreSQL's own
_DISCONNECT: Final = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'
"""
_EMPTY: Final = f"""
DO $$
DECLARE
    found record;
BEGIN
    SET LOCAL session_replication_role = replica;
    SET LOCAL lock_timeout = '5s';
    FOR found IN
        SELECT oid::regclass AS name FROM pg_class WHERE oid >= {_FIRST_OID} AND relkind = 'r'
    LOOP
        EXECUTE format('DELETE FROM %s', found.name);
    END LOOP;
    FOR found IN SELECT seqrelid::regclass AS name, seqstart FROM pg_sequence LOOP
        PERFORM setval(found.name, found.seqstart, false);
    END LOOP;
END $$
"""  # noqa: S608 - of constants only
_STRANGERS: Final = """
SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND oid > %s
"""
_PARTS: Final = {
    **dict.fromkeys(
        (
            *("pg_attrdef", "pg_class", "pg_constraint", "pg_enum", "pg_extension"),
            *("pg_policy", "pg_proc", "pg_rewrite", "pg_trigger", "pg_type"),
        ),
        f"oid >= {_FIRST_OID}",
    ),
    "pg_attribute": f"attrelid >= {_FIRST_OID}",
    "pg_index": f"indexrelid >= {_FIRST_OID}",
    "pg_namespace": "nspname !~ '^pg_(toast_)?temp_'",
    "pg_db_role_setting": "setdatabase = (SELECT oid FROM pg_database WHERE datname = "
    "current_database())",
}
# Whatever DDL changes has a new xmin, and what it adds or removes changes the count.
_CATALOGUE: Final = " UNION ALL ".join(
    f"SELECT '{table}', count(*), max(xmin::text::bigint) FROM {table} WHERE {condition}"  # noqa: S608 - of constants only
    for table, condition in _PARTS.items()
)


class PreparedDatabases:
    """Lends databases with the tables of one metadata, to one test of this process at a time."""

    def __init__(self, folder: Path, postgres: Callable[[], PostgresDatabases]) -> None:
        self._folder = folder
        self._find_postgres = postgres
        self._postgres: PostgresDatabases | None = None
        self._numbers = count(1)
        self._templates: dict[MetaData, Path] = {}
        self._free: dict[MetaData, list[_Recycled]] = {}

    @contextmanager
    def duckdb(self, metadata: MetaData) -> Iterator[str]:
        """Yield the URL of a DuckDB file with the tables of ``metadata``, without rows."""
        path = self._folder / f"test_{next(self._numbers)}.duckdb"
        shutil.copyfile(self._template(metadata), path)
        try:
            yield duckdb_file_url(path)
        finally:
            remove_duckdb_file(path)

    @contextmanager
    def postgresql(self, metadata: MetaData) -> Iterator[str]:
        """Yield the URL of a PostgreSQL database with the tables of ``metadata``, without rows."""
        free = self._free.setdefault(metadata, [])
        database = free.pop() if free else self._made(metadata)
        try:
            yield database.url
        finally:
            if database.emptied():
                free.append(database)
            else:
                self._drop(database)

    def kept_postgresql(self, metadata: MetaData) -> str:
        """Return the URL of a PostgreSQL database with those tables, which nobody drops."""
        url = self._databases().create(keep=True)
        _make_tables(url, metadata)
        return url

    def close(self) -> None:
        """Let go of all of them: those on PostgreSQL end with the run, which stops its server.

        Dropping a hundred databases one by one takes a server longer than to stop.
        """
        for free in self._free.values():
            for database in free:
                database.close()
        self._free.clear()
        for path in self._templates.values():
            remove_duckdb_file(path)
        self._templates.clear()

    def _template(self, metadata: MetaData) -> Path:
        if metadata not in self._templates:
            path = self._folder / f"template_{next(self._numbers)}.duckdb"
            _make_small_file(path)
            _make_tables(duckdb_file_url(path), metadata)
            self._templates[metadata] = path
        return self._templates[metadata]

    def _made(self, metadata: MetaData) -> _Recycled:
        url = self._databases().create()
        _make_tables(url, metadata)
        return _Recycled(url)

    def _databases(self) -> PostgresDatabases:
        """Return what makes databases; a server is looked for when one is needed."""
        if self._postgres is None:
            self._postgres = self._find_postgres()
        return self._postgres

    def _drop(self, database: _Recycled) -> None:
        database.close()
        self._databases().drop(database.url)


class _Recycled:
    """A PostgreSQL database, and a connection that empties it."""

    def __init__(self, url: str) -> None:
        import psycopg

        self.url = url
        self._connection = psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)
        self._catalogue = self._connection.execute(_CATALOGUE).fetchall()
        (self._newest,) = self._connection.execute("SELECT max(oid) FROM pg_class").fetchall()[0]

    def emptied(self) -> bool:
        """Return whether the database is again as it was when it was made."""
        import psycopg

        try:
            self._connection.execute(_DISCONNECT)
            if not self._as_made():
                self._drop_strangers()
                if not self._as_made():
                    return False
            self._connection.execute(_EMPTY)
        except psycopg.Error:
            return False
        return True

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def _as_made(self) -> bool:
        return self._connection.execute(_CATALOGUE).fetchall() == self._catalogue

    def _drop_strangers(self) -> None:
        """Drop the tables that the test has made."""
        from psycopg import sql

        found = self._connection.execute(_STRANGERS, [self._newest]).fetchall()
        if found:
            names = sql.SQL(", ").join(sql.SQL(name) for (name,) in found)
            self._connection.execute(sql.SQL("DROP TABLE {} CASCADE").format(names))


def _make_small_file(path: Path) -> None:
    """Make a file that is small to copy: with DuckDB's smallest blocks, 1 MB instead of 15."""
    import duckdb

    with duckdb.connect() as connection:
        quoted = str(path).replace("'", "''")
        connection.execute(f"ATTACH '{quoted}' AS template (BLOCK_SIZE 16384)")


def _make_tables(url: str, metadata: MetaData) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(url)
    try:
        metadata.create_all(engine)
    finally:
        engine.dispose()
