"""What travels between a connection and its channel: statements down, results up."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from andamios_orm.exceptions import TransactionAborted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import duckdb

    from andamios_orm.dialect.gate import Owner

__all__ = ["AtCommit", "Call", "Further", "Reply", "Row", "Rows"]

Row = tuple[Any, ...]
_KEPT_AT_ONCE: Final = 2_000


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
    meanwhile: Callable[[], object] | None = None
    """What the loop does while DuckDB works on the statement."""
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
        self._kept: deque[list[Row]] | None = None
        self._ended = False

    def keep(self, raw: duckdb.DuckDBPyConnection) -> None:
        """Take what is left into memory, because DuckDB is about to drop it.

        If that is interrupted, the stream ends there, and what was taken goes on a thread: it
        may be millions of rows, which nobody has to wait for.
        """
        kept: deque[list[Row]] = deque()
        try:
            while not self.abandoned and (rows := raw.fetchmany(_KEPT_AT_ONCE)):
                kept.append(rows)
        except BaseException:
            self.end()
            threading.Thread(target=_let_go, args=(kept,), name="andamios-rows").start()
            raise
        self._kept = kept

    def take(self, raw: duckdb.DuckDBPyConnection | None, count: int) -> list[Row]:
        """Return up to ``count`` more rows.

        Raises:
            TransactionAborted: the transaction that the rows belong to has ended.
        """
        if self._kept is not None:
            return self._take_kept(self._kept, count)
        if self._ended or raw is None:
            raise TransactionAborted(
                "the transaction of this stream was rolled back before all rows were read"
            )
        return raw.fetchmany(count)

    @staticmethod
    def _take_kept(kept: deque[list[Row]], count: int) -> list[Row]:
        found: list[Row] = []
        while kept and len(found) < count:
            rows = kept.popleft()
            wanted = count - len(found)
            found += rows[:wanted]
            if rows[wanted:]:
                kept.appendleft(rows[wanted:])
        return found

    def end(self) -> None:
        """Note that the rest is gone with its transaction."""
        self._ended = True


def _let_go(kept: deque[list[Row]]) -> None:
    """Give rows back some at a time: all at once would keep every other thread waiting."""
    while kept:
        kept.popleft()
