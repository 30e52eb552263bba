"""The server itself: connections that wait for it, and databases that come and go."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg
from psycopg import errors, sql

from andamios_orm.exceptions import ConfigurationError, DatabaseUnavailable
from andamios_orm.models.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from axai_pg.data.config.connection import PostgresConnectionConfig

__all__ = ["MAINTENANCE", "connect", "create_database", "database_exists", "drop_database"]

MAINTENANCE: Final = "postgres"
"""The database that a connection is to which makes or drops another."""
_KEPT: Final = frozenset({MAINTENANCE, "template0", "template1"})
_PATIENCE: Final = 10.0
"""Seconds that one of several attempts waits at most, and a single one at least."""
_FATAL: Final = "FATAL:"
# What a server says that will take connections soon.
_SOON: Final = re.compile("starting up|shutting down|recovery mode|too many|reserved for")


def connect(
    config: PostgresConnectionConfig,
    database: str | None = None,
    *,
    timeout: float = _PATIENCE,
    attempts: int = 1,
    pause: Callable[[float], object] = time.sleep,
) -> psycopg.Connection[Any]:
    """Return a connection on which each statement commits.

    A server that does not answer yet is tried ``attempts`` times, within ``timeout`` seconds; for
    one that takes a connection and says nothing, psycopg waits 2 seconds at least. A single
    attempt has 10 seconds or more. ``pause`` waits between two attempts, and says whether to
    give up.

    Raises:
        DatabaseUnavailable: it has not answered, or lets nobody in by this name.
        InterruptedError: ``pause`` has returned True.
    """
    url = config.url
    arguments: dict[str, Any] = {
        **url.translate_connect_args(username="user", database="dbname"),
        **url.query,
    }
    if database is not None:
        arguments["dbname"] = database
    pauses = _pauses(timeout, attempts)
    until = elapsed() + timeout
    while True:
        left = until - elapsed()
        patience = max(timeout, _PATIENCE) if attempts == 1 else max(1, min(left, _PATIENCE))
        arguments["connect_timeout"] = math.ceil(patience)
        try:
            return psycopg.connect(**arguments, autocommit=True)
        except psycopg.OperationalError as error:
            said = str(error)
            left = until - elapsed()
            if not pauses or left <= 0 or (_FATAL in said and _SOON.search(said) is None):
                raise DatabaseUnavailable(
                    f"PostgreSQL at {url!r} cannot be used: {said}", orig=error
                ) from error
        if pause(min(left, pauses.pop(0))):
            raise InterruptedError


def _pauses(timeout: float, attempts: int) -> list[float]:
    """Return how long to wait after each attempt but the last: twice as long each time.

    >>> _pauses(30, 5), _pauses(30, 1)
    ([2.0, 4.0, 8.0, 16.0], [])
    """
    parts = 2 ** (attempts - 1) - 1
    return [timeout * 2**number / parts for number in range(attempts - 1)]


def database_exists(connection: psycopg.Connection[Any], name: str) -> bool:
    """Return whether there is a database of this name."""
    found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
    return found.fetchone() is not None


def create_database(connection: psycopg.Connection[Any], name: str) -> bool:
    """Return whether it has made the database; somebody else may have been faster.

    Raises:
        ConfigurationError: the login may not make databases.
    """
    try:
        _execute(connection, "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", name)
    except (errors.DuplicateDatabase, errors.UniqueViolation):
        return False
    except errors.InsufficientPrivilege as error:
        login = sql.Identifier(connection.info.user).as_string(None)
        raise ConfigurationError(
            f"{connection.info.user} may not make the database {name}: "
            f"ALTER ROLE {login} CREATEDB, or let a superuser make it"
        ) from error
    return True


def drop_database(connection: psycopg.Connection[Any], name: str) -> None:
    """Drop a database; whoever is connected to it is thrown out.

    Raises:
        ConfigurationError: it is one of the server's own, or the login does not own it.
    """
    if name in _KEPT:
        raise ConfigurationError(f"the database {name} is the server's own: it is not dropped")
    try:
        _execute(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
    except errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"{connection.info.user} may not drop the database {name}: {error}"
        ) from error


def _execute(connection: psycopg.Connection[Any], statement: LiteralString, name: str) -> None:
    connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
