"""What travels between a connection and its channel: statements down, results up."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from andamios_orm.exceptions import TransactionAborted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import duckdb

    from andamios_orm.dialect.gate import Owner

__all__ = ["AtCommit", "Call", "Further", "Reply", "Row", "Rows"]

Row = tuple[Any, ...]


class Further(NamedTuple):
    """One more statement that a commit depends on, and what looks at its rows."""

    text: str
    params: Any
    at_commit: AtCommit


AtCommit: TypeAlias = "Callable[[list[Row]], Further | None]"
"""Looks at the rows of a statement that ran before COMMIT; what it raises undoes everything."""


@dataclass(slots=True, eq=False)
class Call:
    """One statement on its way to DuckDB."""

    text: str
    params: Any
    owner: Owner
    autocommit: bool = False
    write_intent: bool = False
    batch: int | None = None
    arrow: bool = False
    timeout: float | None = None
    hide_parameters: bool = False
    many: bool = False
    changes_schema: bool = False
    at_commit: AtCommit | None = None
    tables: Mapping[str, Any] | None = None
    """Tables of Arrow that the statement reads, by the names that they have for so long."""
    cancelled: bool = False
    timed_out: bool = False


@dataclass(slots=True)
class Reply:
    """What came back: rows read so far, their description, the count of rows changed."""

    description: Sequence[Any] | None = None
    rows: list[Row] = field(default_factory=list)
    rowcount: int = -1
    rest: Rows | None = None
    arrow: Any = None
    wrote: bool = False
    changed: bool = False
    """Whether rows that were there may have been changed: DuckDB hardly alters their table."""


class Rows:
    """The unread part of a result; it stays readable when another statement runs."""

    def __init__(self) -> None:
        """Begin attached to the connection's open result."""
        self.abandoned = False
        self._kept: deque[Row] | None = None
        self._ended = False

    def keep(self, raw: duckdb.DuckDBPyConnection) -> None:
        """Take what is left into memory, because DuckDB is about to drop it."""
        self._kept = deque(() if self.abandoned else raw.fetchall())

    def take(self, raw: duckdb.DuckDBPyConnection | None, count: int) -> list[Row]:
        """Return up to ``count`` more rows.

        Raises:
            TransactionAborted: the transaction that the rows belong to has ended.
        """
        if self._kept is not None:
            return [self._kept.popleft() for _ in range(min(count, len(self._kept)))]
        if self._ended or raw is None:
            raise TransactionAborted(
                "the transaction of this stream was rolled back before all rows were read"
            )
        return raw.fetchmany(count)

    def end(self) -> None:
        """Note that the rest is gone with its transaction."""
        self._ended = True
