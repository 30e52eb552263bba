"""Settings, read once at the edge of an application and passed down from there."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from andamios_orm.core.entries import SIZE
from andamios_orm.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Settings", "pyproject_section", "url_of"]


def url_of(database: str | Path) -> str:
    """Return the URL of a database that is named by it, or by the path of a DuckDB file.

    >>> url_of("postgresql:///shop"), url_of(Path("shops/paint.duckdb"))
    ('postgresql:///shop', 'duckdb:///shops/paint.duckdb')
    """
    if isinstance(database, str) and "://" in database:
        return database
    return URL.create("duckdb", database=str(database)).render_as_string(hide_password=False)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a database can be told. Times are in seconds; None means the default.

    ``isolation_level`` is for PostgreSQL, where the default is ``REPEATABLE READ``:
    there, as on DuckDB, of two transactions that change one row only one succeeds.
    ``options`` are for DuckDB alone: ``threads``, ``memory_limit``,
    ``write_timeout``, ``statement_timeout`` and the like.
    """

    url: str = "duckdb:///:memory:"
    pool_size: int | None = None
    max_overflow: int | None = None
    pool_timeout: float | None = None
    pool_recycle: int | None = None
    pool_pre_ping: bool | None = None
    query_cache_size: int | None = None
    result_cache_size: int = SIZE
    isolation_level: str | None = None
    echo: bool = False
    slow_query: float | None = None
    explain_slow: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no database could use."""
        try:
            make_url(self.url)
        except ArgumentError as error:
            raise ConfigurationError(
                "the database URL cannot be read; it looks like duckdb:///file.duckdb or "
                "postgresql+psycopg://user@host/name"
            ) from error
        for name in ("pool_size", "query_cache_size", "result_cache_size"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ConfigurationError(f"{name}={value} is below 0")

    def __repr__(self) -> str:
        """Show the settings; what is secret in the URL is not shown."""
        shown = [f"url={self.safe_url!r}"]
        shown += [
            f"{f.name}={getattr(self, f.name)!r}"
            for f in fields(self)
            if f.name not in {"url", "options"} and getattr(self, f.name) != f.default
        ]
        shown += [f"options={sorted(self.options)!r}"] if self.options else []
        return f"Settings({', '.join(shown)})"

    @property
    def parsed_url(self) -> URL:
        """The URL in its parts."""
        return make_url(self.url)

    @property
    def safe_url(self) -> str:
        """The URL without its password and without the values of its options."""
        url = self.parsed_url
        hidden = {name: "***" for name in url.query if _is_secret(name)}
        if not hidden and url.password is None:
            return self.url
        shown = url.update_query_dict(hidden).render_as_string(hide_password=True)
        return shown.replace(quote_plus("***"), "***")

    @classmethod
    def load(
        cls,
        url: str | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        pyproject: Path | None = None,
        prefix: str = "ANDAMIOS_",
        **given: Any,
    ) -> Settings:
        """Return the settings from pyproject, then the environment, then what is given.

        A later source overrides an earlier one. ``[tool.andamios]`` of the
        pyproject and variables such as ``ANDAMIOS_POOL_SIZE`` are read.

        Raises:
            ConfigurationError: a name or a value that makes no sense.
        """
        found: dict[str, Any] = {}
        found |= _from_pyproject(pyproject or Path("pyproject.toml"))
        found |= _from_environment(os.environ if environment is None else environment, prefix)
        found |= {name: value for name, value in given.items() if value is not None}
        if url is not None:
            found["url"] = url
        return cls().with_values(found)

    def with_values(self, values: Mapping[str, Any]) -> Settings:
        """Return a copy with ``values``; names that are not ours become ``options``."""
        own = {f.name for f in fields(self)} - {"options"}
        options = {**self.options, **values.get("options", {})}
        changes: dict[str, Any] = {}
        for name, value in values.items():
            if name in own:
                changes[name] = _converted(name, value)
            elif name != "options":
                options[name] = value
        return replace(self, options=options, **changes)


_KINDS: dict[str, type] = {
    "pool_size": int,
    "max_overflow": int,
    "pool_timeout": float,
    "pool_recycle": int,
    "pool_pre_ping": bool,
    "query_cache_size": int,
    "result_cache_size": int,
    "isolation_level": str,
    "echo": bool,
    "slow_query": float,
    "explain_slow": bool,
}
_DEFAULTS = {f.name: f.default for f in fields(Settings)}
_FLAGS = {"true": True, "1": True, "yes": True, "on": True}
_FLAGS |= {"false": False, "0": False, "no": False, "off": False}
_OF_THE_COMMAND = frozenset({"environments", "folder", "models"})
"""Names that stand beside ours in pyproject, and are no settings of a database."""
_SECRETS = ("password", "token", "secret", "key")


def _is_secret(name: str) -> bool:
    return any(mark in name.lower() for mark in _SECRETS)


def _converted(name: str, value: Any) -> Any:
    if value is None and name != "url":
        return _DEFAULTS[name]
    kind = _KINDS.get(name, str)
    if kind is bool and isinstance(value, str):
        flag = _FLAGS.get(value.lower())
        if flag is None:
            raise ConfigurationError(f"{name}={value!r} is neither true nor false")
        return flag
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{name}={value!r} is not a number") from None


def _from_environment(environment: Mapping[str, str], prefix: str) -> dict[str, Any]:
    own = {f.name.upper() for f in fields(Settings)} - {"OPTIONS"}
    return {
        name.removeprefix(prefix).lower(): value
        for name, value in environment.items()
        if name.startswith(prefix) and name.removeprefix(prefix) in own
    }


def _from_pyproject(path: Path) -> dict[str, Any]:
    section = pyproject_section(path)
    return {name: value for name, value in section.items() if name not in _OF_THE_COMMAND}


def pyproject_section(path: Path, name: str = "andamios") -> dict[str, Any]:
    """Return a table below ``[tool]`` of a pyproject; it is empty if there is none.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    section: dict[str, Any] = content.get("tool", {}).get(name, {})
    return section
