"""What a look at a database has found, and the snapshot that it looks at."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import exc as sa_exc
from sqlalchemy import text

from andamios_orm.exceptions import DatabaseCorrupt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["SHOWN", "Finding", "Snapshot", "Unreadable", "Verification", "keys_of"]

SHOWN: Final = 5
"""Keys, at most, that are shown of the rows of one finding."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: ``rows`` rows of ``table``, of which ``keys`` names some.

    ``rows`` is 0 where that is not known. ``remedy`` says what to do.
    """

    table: str
    what: str
    rows: int
    keys: tuple[dict[str, Any], ...]
    remedy: str

    def __str__(self) -> str:
        """Return three lines at most: what is wrong, with which rows, and what to do."""
        count = f" ({self.rows} row{'s' * (self.rows != 1)})" if self.rows else ""
        lines = [f"{self.table}: {self.what}{count}"]
        if self.keys:
            shown = "; ".join(_shown(key) for key in self.keys)
            lines.append(f"       at {shown}{'; ...' if self.rows > len(self.keys) else ''}")
        return "\n".join([*lines, f"       -> {self.remedy}"])


@dataclass(frozen=True, slots=True)
class Verification:
    """What was looked at and found; ``skipped`` says what could not be looked at, and why."""

    findings: tuple[Finding, ...]
    tables: int
    rows: int
    skipped: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


class Unreadable(Exception):
    """The database cannot answer, because what it would read is damaged."""


class Snapshot:
    """One connection in one transaction, which ends only if something cannot be read."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Read through ``connection``."""
        self._connection = connection
        self.system = connection.dialect.name
        self.skipped: list[str] = []

    @property
    def connection(self) -> AsyncConnection:
        """What it reads through."""
        return self._connection

    def quote(self, *names: str) -> str:
        """Return a name, or a name with its schema, in quotes."""
        quote: Any = self._connection.dialect.identifier_preparer.quote_identifier
        return ".".join(map(quote, names))

    async def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> Sequence[Any]:
        """Return the rows of a statement, whose ``parameters`` only DuckDB understands.

        Raises:
            Unreadable: what it reads is damaged.
        """
        connection = self._connection
        # PostgreSQL goes on at a savepoint; DuckDB has none.
        inner = connection.begin_nested() if self.system == "postgresql" else nullcontext()
        try:
            async with inner:
                if parameters:
                    return (await connection.exec_driver_sql(sql, parameters)).all()
                query = text(sql.replace(":", r"\:"))  # a colon is no parameter here
                return (await connection.execute(query)).all()
        except sa_exc.DBAPIError as error:
            if not _is_damage(error):
                raise
            if self.system != "postgresql":
                await connection.rollback()
            raise Unreadable(_first_line(error)) from error


def _is_damage(error: sa_exc.DBAPIError) -> bool:
    """Return whether an error tells of what is stored, rather than of the way to it."""
    if error.connection_invalidated:
        return False
    is_of_file = type(error.orig).__name__ == "IOException" or isinstance(error, DatabaseCorrupt)
    return is_of_file or not isinstance(error, sa_exc.OperationalError)


def _first_line(error: sa_exc.DBAPIError) -> str:
    message = error.orig if error.orig is not None else error
    return str(message).splitlines()[0]


def _shown(key: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in key.items())


def keys_of(names: Iterable[str], rows: Iterable[Sequence[Any]]) -> tuple[dict[str, Any], ...]:
    """Return the keys in ``rows``, whose first columns are called ``names``."""
    listed = tuple(names)
    return tuple(dict(zip(listed, row, strict=False)) for row in rows)
