"""Databases made for one test each, and dropped without touching any other.

Every name is ``andamios_test_<run>_<worker>_<number>``. Only names that start with
this run's own prefix are ever dropped, and a run's name is random.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import make_url

from andamios_orm.exceptions import ConfigurationError, DatabaseUnavailable, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import LiteralString

    import psycopg
    from sqlalchemy import URL

__all__ = [
    "PREFIX",
    "PostgresDatabases",
    "duckdb_file_url",
    "duckdb_memory_url",
    "remove_duckdb_file",
    "server_version",
]

PREFIX = "andamios_test"
KEPT = "andamios_kept"
EMPTY = "template0"


def duckdb_file_url(path: Path) -> str:
    """Return the URL of the DuckDB file at ``path``, for the async dialect.

    >>> duckdb_file_url(Path("/tmp/shop.duckdb"))
    'duckdb+andamios:////tmp/shop.duckdb'
    """
    return f"duckdb+andamios:///{path}"


def duckdb_memory_url() -> str:
    """Return the URL of a memory database that nothing else has the name of."""
    return f"duckdb+andamios:///:memory:test_{uuid4().hex}"


def remove_duckdb_file(path: Path) -> None:
    """Remove a database file with what DuckDB keeps beside it."""
    for suffix in ("", ".wal"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def server_version(url: str) -> str:
    """Return the version of the server at ``url``, such as ``18.6``.

    Raises:
        DatabaseUnavailable: it does not answer.
    """
    with _connected(_postgres_url(url)) as connection:
        major, minor = divmod(connection.info.server_version, 10_000)
    return f"{major}.{minor}"


class PostgresDatabases:
    """Makes databases on one server, for one worker of one test run."""

    def __init__(self, server_url: str, run: str, worker: str) -> None:
        self._server = _postgres_url(server_url)
        self._run = f"{PREFIX}_{run}_"
        self._prefix = f"{self._run}{worker}_"
        self._numbers = count(1)

    def create(self, template: str = EMPTY, *, keep: bool = False) -> str:
        """Return the URL of a new database, a copy of ``template``; with ``keep`` it stays."""
        name = f"{self._prefix}{next(self._numbers)}"
        if keep:
            name = name.replace(PREFIX, KEPT, 1)
        with _connected(self._server) as connection:
            _create(connection, name, template)
        return self._url(name)

    def drop(self, url: str) -> None:
        """Drop a database that this run created; whoever is connected is thrown out.

        Raises:
            ConfigurationError: this run did not create it.
        """
        name = make_url(url).database or ""
        if not name.startswith(self._run):
            message = f"{name!r} is not dropped: its name does not start with {self._run}"
            raise ConfigurationError(message)
        with _connected(self._server) as connection:
            _drop(connection, name)

    def template(self, schema: str, build: Callable[[str], None]) -> str:
        """Return the name of a template that ``build`` filled, once for all workers.

        ``schema`` names what is in it, for instance a hash of the metadata; ``build``
        gets the URL of an empty database and must close what it opens.
        """
        digest = hashlib.sha256(schema.encode()).digest()
        name = f"{self._run}template_{digest[:8].hex()}"
        lock = int.from_bytes(digest[:8], "big", signed=True)
        with _connected(self._server) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [lock])
            known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
            if known.fetchone() is None:
                # It gets its name when it is complete: a failed build leaves no template.
                unfinished = f"{name}_unfinished"
                _drop(connection, unfinished)
                _create(connection, unfinished, EMPTY)
                build(self._url(unfinished))
                _execute(connection, "ALTER DATABASE {} RENAME TO {}", unfinished, name)
        return name

    def drop_all(self) -> list[str]:
        """Drop whatever this run, with all its workers, left; return the names."""
        with _connected(self._server) as connection:
            found = connection.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1",
                [self._run],
            )
            names = [str(name) for (name,) in found]
            for name in names:
                _drop(connection, name)
        return names

    def _url(self, name: str) -> str:
        return self._server.set(database=name).render_as_string(hide_password=False)


def _create(connection: psycopg.Connection, name: str, template: str) -> None:
    """Copy a template: its files, unless a server of somebody else would have to sync them."""
    [(fsync,)] = connection.execute("SHOW fsync").fetchall()
    way: LiteralString = " STRATEGY file_copy" if fsync == "off" else ""
    _execute(connection, "CREATE DATABASE {} TEMPLATE {}" + way, name, template)


def _drop(connection: psycopg.Connection, name: str) -> None:
    _execute(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _execute(connection: psycopg.Connection, statement: LiteralString, *names: str) -> None:
    """Run ``statement`` with the quoted ``names`` in its places."""
    from psycopg import sql

    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _postgres_url(url: str) -> URL:
    """Return ``url`` for SQLAlchemy's psycopg dialect, whatever driver it names."""
    parsed = make_url(url)
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        message = (
            f"{parsed!r} is no PostgreSQL: ANDAMIOS_TEST_POSTGRES_URL starts with postgresql://"
        )
        raise ConfigurationError(message)
    return parsed.set(drivername="postgresql+psycopg")


@contextmanager
def _connected(url: URL) -> Iterator[psycopg.Connection]:
    """Yield a connection in which each statement commits."""
    try:
        import psycopg
    except ImportError as error:
        message = "tests on PostgreSQL need psycopg: pip install 'andamios-orm[postgresql]'"
        raise MissingExtra(message) from error
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = psycopg.connect(plain, autocommit=True)
    except psycopg.OperationalError as error:
        message = f"the PostgreSQL server at {url!r} does not answer: {error}"
        raise DatabaseUnavailable(message, orig=error) from error
    with connection:
        yield connection
