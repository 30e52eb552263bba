"""Cursors as SQLAlchemy expects them: rows that came with the statement, and streams."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from andamios_orm.dialect.calls import Call, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from andamios_orm.dialect.adapter import Connection
    from andamios_orm.dialect.calls import AtCommit, Row, Rows

__all__ = ["Cursor"]

STREAM_BATCH: Final = 1_000
"""Rows fetched in one hop by a stream that was not told otherwise."""


class Cursor:
    """A DBAPI cursor; rows are fetched in the hop that runs the statement."""

    arraysize = 1
    lastrowid = None

    def __init__(self, connection: Connection, *, server_side: bool = False) -> None:
        """Work for ``connection``; with ``server_side`` rows come in batches, as they are read."""
        self.connection = connection
        self.server_side = server_side
        self.description: Sequence[Any] | None = None
        self.rowcount = -1
        self.arrow: Any = None
        self.batch = STREAM_BATCH
        self.wants_arrow = False
        self.at_commit: AtCommit | None = None
        self.tables: Mapping[str, Any] | None = None
        self.meanwhile: Callable[[], object] | None = None
        self.timeout = connection.statement_timeout
        self.hide_parameters = False
        self._rows: deque[Row] = deque()
        self._rest: Rows | None = None

    def execute(self, statement: str, parameters: Any = None) -> None:
        """Run one statement."""
        call = self._call(statement, parameters)
        call.meanwhile = self.meanwhile
        self._take(self.connection.execute(call))

    def executemany(self, statement: str, parameters: Any) -> None:
        """Run one statement once for each set of parameters."""
        call = self._call(statement, list(parameters))
        call.many = True
        self._take(self.connection.execute(call))

    def fetchone(self) -> Row | None:
        """Return the next row, or None."""
        if not self._rows and self._rest is not None:
            self._more(self.batch)
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """Return up to ``size`` rows."""
        count = self.arraysize if size is None else size
        while len(self._rows) < count and self._rest is not None:
            self._more(max(self.batch, count - len(self._rows)))
        rows = self._rows
        return [rows.popleft() for _ in range(min(count, len(rows)))]

    def fetchall(self) -> list[Row]:
        """Return all rows that are left."""
        while self._rest is not None:
            self._more(self.batch)
        rows = list(self._rows)
        self._rows.clear()
        return rows

    def close(self) -> None:
        """Forget the rows that were not read."""
        self._rows.clear()
        if self._rest is not None:
            self._rest.abandoned = True
            self._rest = None

    async def _async_soft_close(self) -> None:
        """Do nothing: the rows are here already, and closing needs no await."""

    def setinputsizes(self, *sizes: Any) -> None:
        """Do nothing; DuckDB infers the types of parameters."""

    def setoutputsize(self, size: Any, column: Any = None) -> None:
        """Do nothing."""

    def _call(self, statement: str, parameters: Any) -> Call:
        return Call(
            statement,
            parameters or None,
            self.connection.owner(),
            batch=self.batch if self.server_side and self.at_commit is None else None,
            arrow=self.wants_arrow,
            timeout=self.timeout,
            hide_parameters=self.hide_parameters,
            at_commit=self.at_commit,
            tables=self.tables,
        )

    def _take(self, reply: Reply) -> None:
        self.description = reply.description
        self.rowcount = reply.rowcount
        self.arrow = reply.arrow
        self._rows = deque(reply.rows)
        self._rest = reply.rest

    def _more(self, count: int) -> None:
        assert self._rest is not None  # noqa: S101 - callers have looked
        rows = self.connection.fetch(self._rest, count, self._call("FETCH", None))
        self._rows.extend(rows)
        if len(rows) < count:
            self._rest = None
