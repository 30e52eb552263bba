"""What a transaction has read so far, to be checked again when it begins to write."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from andamios_orm.dialect import driver
from andamios_orm.exceptions import WriteConflict

if TYPE_CHECKING:
    from andamios_orm.dialect.calls import Call, Reply, Row
    from andamios_orm.dialect.statements import ParsedStatement

__all__ = ["ReadLog"]

MOST_STATEMENTS = 50
MOST_ROWS = 1_000


class _Read(NamedTuple):
    parsed: ParsedStatement
    text: str
    params: Any
    rows: list[Row]


class ReadLog:
    """The reads of one transaction with their results, while they are few enough to repeat."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._reads: list[_Read] = []
        self._rows = 0
        self._complete = True

    def note(self, parsed: ParsedStatement, call: Call, reply: Reply) -> None:
        """Remember a read; a stream, an Arrow table or too much of it cannot be repeated."""
        if not self._complete or parsed.kind == "EXPLAIN":
            return
        self._rows += len(reply.rows)
        unseen = reply.rest is not None or reply.arrow is not None
        if unseen or len(self._reads) >= MOST_STATEMENTS or self._rows > MOST_ROWS:
            self.give_up()
        else:
            self._reads.append(_Read(parsed, call.text, call.params, reply.rows))

    def give_up(self) -> None:
        """Note that something was read that cannot be repeated."""
        self._complete = False
        self._reads.clear()

    def require_complete(self, text: str) -> None:
        """Raise unless everything that was read can be repeated.

        Raises:
            WriteConflict: it cannot, so the write of ``text`` might rest on old rows.
        """
        if not self._complete:
            raise WriteConflict(
                "another writer committed since this transaction began, and what it read cannot "
                f"be checked again (a stream, an Arrow result, or more than {MOST_STATEMENTS} "
                f"statements or {MOST_ROWS:,} rows): run it again, or use transaction(write=True)",
                statement=text,
            )

    def repeat(self, raw: duckdb.DuckDBPyConnection) -> None:
        """Run the reads again and compare.

        Raises:
            WriteConflict: a result is another one now.
        """
        for read in self._reads:
            again = _fetch(raw, read)
            if not _same(read.rows, again) and _reads_tables(raw, read.text):
                raise WriteConflict(
                    "another writer changed what this transaction had read before it wrote: run "
                    "it again, or use transaction(retry=True)",
                    statement=read.text,
                )


def _fetch(raw: duckdb.DuckDBPyConnection, read: _Read) -> list[Row]:
    if read.params is None:
        return raw.execute(read.parsed.prepared).fetchall()
    driver.execute(raw, read.parsed.prepared, read.params)
    return raw.fetchall()


def _same(before: list[Row], after: list[Row]) -> bool:
    return before == after or (len(before) == len(after) and repr(before) == repr(after))


def _reads_tables(raw: duckdb.DuckDBPyConnection, text: str) -> bool:
    """Whether a query depends on rows at all; ``SELECT now()`` differs every time."""
    try:
        return bool(raw.get_table_names(_PARAMETER.sub("NULL", text)))
    except duckdb.Error:
        return True


_PARAMETER = re.compile(r"\$\d+")
