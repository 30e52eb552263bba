"""Where the database is, and how many connections there may be to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from andamios_orm import Settings
from andamios_orm.exceptions import ConfigurationError
from axai_pg.data.config.settings import read_environment

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PostgresConnectionConfig", "PostgresPoolConfig"]

_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_LAST_PORT: Final = 65_535
_LONGEST_NAME: Final = 63
_CONNECT_TIMEOUT: Final = "10"
_PREFIX: Final = "POSTGRES_"
_VARIABLES: Final = {
    "host": "HOST",
    "port": "PORT",
    "database": "DB",
    "username": "USER",
    "password": "PASSWORD",  # nosec B105 - the name of a variable
    "schema": "SCHEMA",
    "ssl_mode": "SSL_MODE",
}


@dataclass(frozen=True, slots=True)
class PostgresConnectionConfig:
    """A database and a login. A ``host`` that begins with ``/`` is a folder with a socket.

    ``schema`` is where the tables are: it is the search path of each connection.
    """

    host: str = "localhost"
    port: int = 5432
    database: str = "documents"
    username: str = "postgres"
    password: str = field(default="", repr=False)
    schema: str = "public"
    ssl_mode: str = "prefer"

    def __post_init__(self) -> None:
        """Refuse what no connection could be made with."""
        for name in ("host", "database", "username", "schema", "ssl_mode", "password"):
            value: object = getattr(self, name)
            if not isinstance(value, str) or "\0" in value:
                raise ConfigurationError(f"{name} is no text")
            if not value.strip() and name != "password":
                raise ConfigurationError(f"{name} is empty")
        port: object = self.port
        if not isinstance(port, int) or not 0 < port <= _LAST_PORT:
            raise ConfigurationError(f"port={self.port!r} is no number from 1 to {_LAST_PORT}")
        if self.ssl_mode not in _SSL_MODES:
            known = ", ".join(_SSL_MODES)
            raise ConfigurationError(f"ssl_mode={self.ssl_mode!r} is none of {known}")
        for name in ("database", "schema"):
            if len(getattr(self, name).encode()) > _LONGEST_NAME:
                raise ConfigurationError(f"{name} is longer than {_LONGEST_NAME} bytes")

    @classmethod
    def from_env(cls, env_file: str | Path | None = None) -> PostgresConnectionConfig:
        """Return what the variables ``POSTGRES_…`` say.

        They are ``HOST``, ``PORT``, ``DB``, ``USER``, ``PASSWORD``, ``SCHEMA`` and ``SSL_MODE``;
        ``env_file`` counts where the environment says nothing.

        Raises:
            ConfigurationError: a value makes no sense; the file cannot be read.
        """
        variables = read_environment(env_file)
        found = {
            name: variables[_PREFIX + suffix]
            for name, suffix in _VARIABLES.items()
            if variables.get(_PREFIX + suffix)
        }
        port = found.pop("port", "5432")
        if not port.isdecimal():
            raise ConfigurationError(f"POSTGRES_PORT={port} is no number")
        return cls(port=int(port), **found)

    @classmethod
    def from_url(cls, url: str | URL) -> PostgresConnectionConfig:
        """Return what a URL says of the database and the login; its schema is ``public``.

        Raises:
            ConfigurationError: something in it makes no sense, or it is no PostgreSQL's.
        """
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):  # its message may have the password
            raise ConfigurationError(
                "the URL cannot be read; it looks like postgresql://user@host:5432/name"
            ) from None
        if parsed.get_backend_name() != "postgresql":
            raise ConfigurationError(f"{parsed!r} is no URL of PostgreSQL")
        query = {name: str(value) for name, value in parsed.query.items()}
        port = query.get("port", "5432")
        if not port.isdecimal():
            raise ConfigurationError(f"port={port!r:.40} of the URL is no number")
        defaults: dict[str, Any] = {each.name: each.default for each in fields(cls)}
        return cls(
            host=parsed.host or query.get("host") or defaults["host"],
            port=int(port) if parsed.port is None else parsed.port,
            database=parsed.database or defaults["database"],
            username=parsed.username or defaults["username"],
            password=parsed.password or "",
            ssl_mode=query.get("sslmode", defaults["ssl_mode"]),
        )

    @property
    def url(self) -> URL:
        """The URL, for psycopg; its text hides the password."""
        query = {"sslmode": self.ssl_mode, "connect_timeout": _CONNECT_TIMEOUT}
        if self.schema != "public":  # some poolers refuse options
            query["options"] = f"-csearch_path={_escaped(_quoted(self.schema))},pg_temp"
        by_socket = self.host.startswith("/")
        if by_socket:
            query |= {"host": self.host, "port": str(self.port)}
        return URL.create(
            "postgresql+psycopg",
            username=self.username,
            password=self.password or None,
            host=None if by_socket else self.host,
            port=None if by_socket else self.port,
            database=self.database,
            query=query,
        )


@dataclass(frozen=True, slots=True)
class PostgresPoolConfig:
    """How many connections a pool holds, and for how long; times are in seconds.

    Blocking and asynchronous scopes have a pool each. Behind a pooler that hands a connection of
    the server on after each transaction, turn ``prepared_statements`` off: they stay with it.
    """

    pool_size: int = 5
    max_overflow: int = 5
    pool_timeout: float = 30
    pool_recycle: int = 1800
    pool_pre_ping: bool = True
    prepared_statements: bool = True

    def __post_init__(self) -> None:
        """Refuse what no pool could be made with."""
        for each in fields(self):
            value = getattr(self, each.name)
            least = 1 if each.name == "pool_size" else -1 if each.name == "pool_recycle" else 0
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise ConfigurationError(f"{each.name}={value!r} is no number")
            if not isinstance(value, int) and each.name != "pool_timeout":
                raise ConfigurationError(f"{each.name}={value} is no whole number")
            if value < least:
                raise ConfigurationError(f"{each.name}={value} is below {least}")

    def settings(self, url: URL) -> Settings:
        """Return the settings of a database at ``url`` with such a pool."""
        return Settings(
            url=url.render_as_string(hide_password=False),
            pool_size=self.pool_size,
            max_overflow=self.max_overflow,
            pool_timeout=self.pool_timeout,
            pool_recycle=self.pool_recycle,
            pool_pre_ping=False,  # what has rested is tried by the manager
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _escaped(text: str) -> str:
    r"""Escape what ends a word in ``options``.

    >>> _escaped("a b")
    'a\\ b'
    """
    return text.replace("\\", "\\\\").replace(" ", "\\ ")
