"""Many rows in one INSERT, by column: ``INSERT ... SELECT unnest($1::T[]), ...``.

DuckDB's ``executemany`` is a loop and a VALUES list of thousands of rows is
slow to parse; lists of values are neither. A single unnest is one pipeline with
one source, so rows come out of RETURNING in the order they went in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy.sql.compiler import _InsertManyValuesBatch

from andamios_orm.dialect.binds import as_list
from andamios_orm.dialect.types import duckdb_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine.default import DefaultDialect, DefaultExecutionContext
    from sqlalchemy.types import TypeEngine

__all__ = ["UnnestInsert"]

_PLACEHOLDER = re.compile(r"\$(\d+)")

ROWS_PER_BATCH = 4_000
"""Rows in one statement: one hop each, short enough not to hold the interpreter lock for long."""


class UnnestInsert:
    """An INSERT of many rows, rewritten to take its values as columns."""

    def __init__(
        self,
        context: DefaultExecutionContext,
        statement: str,
        rewritten: str,
        types: Sequence[TypeEngine[Any]],
    ) -> None:
        """Keep the parts; use ``of()`` to make one."""
        self._context = context
        self._statement = statement
        self._rewritten = rewritten
        self._types = types

    @classmethod
    def of(
        cls,
        dialect: DefaultDialect,
        context: DefaultExecutionContext,
        statement: str,
        parameters: Sequence[Any],
    ) -> UnnestInsert | None:
        """Return the rewritten INSERT, or None if this one cannot go by column."""
        compiled: Any = context.compiled
        imv = compiled._insertmanyvalues  # noqa: SLF001 - the only place that says where the values stand
        if not compiled.positional or imv.is_default_expr or "'" in imv.single_values_expr:
            return None
        values = f"VALUES ({imv.single_values_expr})"
        if statement.count(values) != 1 or len(parameters) < 2:  # noqa: PLR2004 - one row needs no list
            return None
        used = {int(number) for number in _PLACEHOLDER.findall(imv.single_values_expr)}
        if used != set(range(1, len(compiled.positiontup) + 1)):
            return None
        types = [compiled.binds[name].type for name in compiled.positiontup]
        names = [duckdb_type(type_, dialect) for type_ in types]
        if None in names or not all(map(_uniform, zip(*parameters, strict=True))):
            return None
        columns = ", ".join(
            f"unnest(${number}::{name}[]) AS p{number}" for number, name in enumerate(names, 1)
        )
        expression = _PLACEHOLDER.sub(r"_rows.p\1", imv.single_values_expr)
        rewritten = statement.replace(
            values,
            f"SELECT {expression} FROM (SELECT {columns}) AS _rows",  # noqa: S608 # nosec B608 - compiled text
        )
        return cls(context, statement, rewritten, types)

    def batches(self, parameters: Sequence[Any], size: int) -> Iterator[_InsertManyValuesBatch]:
        """Yield the statement once for every ``size`` rows, with one list a column."""
        total = -(-len(parameters) // size)
        for number in range(total):
            rows = parameters[number * size : (number + 1) * size]
            yield _InsertManyValuesBatch(
                self._rewritten,
                self._columns(rows),
                None,
                rows,
                [],
                len(rows),
                number + 1,
                total,
                rows_sorted=True,
                is_downgraded=False,
            )

    def _columns(self, rows: Sequence[Any]) -> tuple[list[Any], ...]:
        columns = zip(self._types, zip(*rows, strict=True), strict=True)
        dialect = self._context.dialect
        return tuple(list(as_list(type_, column, dialect)) for type_, column in columns)


def _uniform(values: tuple[Any, ...]) -> bool:
    """Whether all values have one Python type, so that the list has one type as well."""
    kinds = set(map(type, values))
    kinds.discard(type(None))
    return len(kinds) <= 1
