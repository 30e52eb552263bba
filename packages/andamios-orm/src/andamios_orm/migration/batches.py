"""Data migrations: rows changed in batches, each committed, to be resumed where they stopped."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    MetaData,
    String,
    bindparam,
    column,
    delete,
    func,
    insert,
    inspect,
    select,
    table,
    text,
)
from sqlalchemy import Column as TableColumn
from sqlalchemy import Table as NewTable

from andamios_orm.exceptions import ConfigurationError, MigrationRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Connection

__all__ = ["Batches", "Progress"]

_KINDS: Final[dict[str, Callable[[str], Any]]] = {
    "int": int,
    "str": str,
    "UUID": UUID,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}


class Batches:
    """What a data migration does to the rows of a table: ``upgrade = Batches(...)``.

    The rows are taken by ranges of their key, ``size`` at a time. Each range is a
    transaction of its own, which also marks how far the migration is: whatever stops it,
    the next upgrade goes on behind the mark.
    """

    def __init__(
        self,
        table: str,
        key: str,
        work: str | Callable[[Connection, Any, Any], object],
        *,
        size: int = 10_000,
    ) -> None:
        """Take ``table`` in the order of ``key``, a column whose values are unique.

        ``work`` is SQL in which ``{range}`` stands for the condition on the key, such as
        ``UPDATE users SET slug = lower(name) WHERE {range}``; or a function
        ``work(connection, after, until)`` for the rows behind ``after`` (None at first)
        up to ``until``.

        Raises:
            ConfigurationError: ``size`` is below 1, or the SQL has no ``{range}``.
        """
        if size < 1:
            raise ConfigurationError(f"size={size}: a batch has at least one row")
        if isinstance(work, str) and "{range}" not in work:
            raise ConfigurationError(f"write WHERE {{range}} in the SQL of the batches: {work!r}")
        self.__name__ = "batches"  # Alembic asks a revision's functions for it
        self.table = table
        self.key = key
        self.work = work
        self.size = size

    def __call__(self) -> None:
        """Do all of it in one transaction; this is what the ``alembic`` command calls."""
        from alembic import op

        if op.get_context().as_sql:
            op.execute(self._whole())
            return
        connection, after = op.get_bind(), None
        while (until := self.until(connection, after)) is not None:
            self.run(connection, after, until)
            after = until

    def _whole(self) -> str:
        """Return the SQL for all rows at once."""
        if not isinstance(self.work, str):
            raise MigrationRefused("batches that are a function have no SQL to print")
        return self.work.replace("{range}", "TRUE")

    def count(self, connection: Connection, after: Any = None, until: Any = None) -> int:
        """Return the number of rows behind ``after``, up to ``until`` if that is given."""
        key = self._key(connection)
        rows = select(func.count()).select_from(table(self.table))
        if after is not None:
            rows = rows.where(key > after)
        if until is not None:
            rows = rows.where(key <= until)
        return int(connection.execute(rows).scalar_one())

    def until(self, connection: Connection, after: Any) -> Any:
        """Return the last key of the batch behind ``after``; None if there are no more rows."""
        key = self._key(connection)
        keys = select(key).select_from(table(self.table))
        if after is not None:
            keys = keys.where(key > after)
        last = connection.execute(keys.order_by(key).offset(self.size - 1).limit(1)).scalar()
        if last is not None:
            return last
        return connection.execute(keys.order_by(key.desc()).limit(1)).scalar()

    def run(self, connection: Connection, after: Any, until: Any) -> None:
        """Change the rows of one range."""
        if not isinstance(self.work, str):
            self.work(connection, after, until)
            return
        key = self._key(connection)
        name = connection.dialect.identifier_preparer.quote(self.key)
        bounds = {"until": until} if after is None else {"after": after, "until": until}
        condition = f"{name} <= :until"
        if after is not None:
            condition = f"{name} > :after AND {condition}"
        statement = text(self.work.replace("{range}", f"({condition})")).bindparams(
            *(bindparam(bound, value, type_=key.type) for bound, value in bounds.items())
        )
        connection.execute(statement)

    def _key(self, connection: Connection) -> ColumnElement[Any]:
        for found in inspect(connection).get_columns(self.table):
            if found["name"] == self.key:
                return column(self.key, found["type"])
        raise MigrationRefused(f"batches go by {self.table}.{self.key}: there is no such column")


class Progress:
    """The table that says how far data migrations are; it is there only while one is unfinished."""

    def __init__(self, name: str) -> None:
        """Name the table."""
        self._table = NewTable(
            name,
            MetaData(),
            TableColumn("revision", String(255), nullable=False),
            TableColumn("direction", String(9), nullable=False),
            TableColumn("kind", String(8), nullable=False),
            TableColumn("position", String, nullable=False),
            TableColumn("done", BigInteger, nullable=False),
        )

    def read(self, connection: Connection, revision: str, direction: str) -> tuple[Any, int]:
        """Return the key up to which the migration is done, and the number of rows."""
        if not inspect(connection).has_table(self._table.name):
            return None, 0
        there = self._table.c
        found = connection.execute(
            select(there.kind, there.position, there.done).where(
                there.revision == revision, there.direction == direction
            )
        ).one_or_none()
        if found is None:
            return None, 0
        kind, position, done = found
        return _KINDS[kind](position), done

    def write(
        self, connection: Connection, revision: str, direction: str, position: Any, done: int
    ) -> None:
        """Mark that the migration is done up to ``position``.

        Raises:
            MigrationRefused: keys of this type cannot be marked.
        """
        kind = type(position).__name__
        if kind not in _KINDS:
            raise MigrationRefused(f"batches cannot go by a key of type {kind}: {position!r}")
        self.clear(connection, revision, direction, keep=True)
        marked = position.isoformat() if hasattr(position, "isoformat") else str(position)
        connection.execute(
            insert(self._table).values(
                revision=revision, direction=direction, kind=kind, position=marked, done=done
            )
        )

    def clear(
        self, connection: Connection, revision: str, direction: str, *, keep: bool = False
    ) -> None:
        """Remove the mark, and the table as well if no other one is in it."""
        self._table.create(connection, checkfirst=True)
        there = self._table.c
        connection.execute(
            delete(self._table).where(there.revision == revision, there.direction == direction)
        )
        left = connection.execute(select(func.count()).select_from(self._table)).scalar_one()
        if not keep and not left:
            self._table.drop(connection)
