"""Many rows in one INSERT, by column: ``INSERT ... SELECT unnest($1 ...), unnest($2 ...)``.

DuckDB's ``executemany`` is a loop and a VALUES list of thousands of rows is
slow to parse; columns are neither. A single unnest is one pipeline with one
source, so rows come out of RETURNING in the order they went in.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy.sql.compiler import _InsertManyValuesBatch

from andamios_orm.dialect.binds import as_list
from andamios_orm.dialect.carriers import Carrier, carrier
from andamios_orm.dialect.types import duckdb_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine.default import DefaultDialect, DefaultExecutionContext

__all__ = ["ColumnInsert"]

_LITERAL = re.compile(r"'(?:[^']|'')*'")
_PLACEHOLDER = re.compile(r"\$(\d+)")

ROWS_PER_BATCH = 4_000
"""Rows in one statement, each a hop of its own."""


class ColumnInsert:
    """An INSERT of many rows, rewritten to take its values as columns."""

    def __init__(self, rewritten: str, carriers: Sequence[Carrier]) -> None:
        """Keep the parts; use ``of()`` to make one."""
        self._rewritten = rewritten
        self._carriers = carriers

    @classmethod
    def of(
        cls,
        dialect: DefaultDialect,
        context: DefaultExecutionContext,
        statement: str,
        parameters: Sequence[Any],
    ) -> ColumnInsert | None:
        """Return the rewritten INSERT, or None if this one cannot go by column."""
        compiled: Any = context.compiled
        imv = compiled._insertmanyvalues  # noqa: SLF001 - the only place that says where the values stand
        values = f"VALUES ({imv.single_values_expr})"
        used = {int(number) for number in _PLACEHOLDER.findall(imv.single_values_expr)}
        if (
            not used  # rows of defaults alone
            or used != set(range(1, len(compiled.positiontup) + 1))
            or statement.count(values) != 1
            or _hides_placeholder(imv.single_values_expr)
        ):
            return None
        types = [compiled.binds[name].type for name in compiled.positiontup]
        carriers = _carriers(types, parameters, dialect)
        if carriers is None:
            return None
        columns = ", ".join(
            f"{each.sql.format(parameter=f'${number}')} AS p{number}"
            for number, each in enumerate(carriers, 1)
        )
        expression = _PLACEHOLDER.sub(r"_rows.p\1", imv.single_values_expr)
        rewritten = statement.replace(
            values,
            f"SELECT {expression} FROM (SELECT {columns}) AS _rows",  # noqa: S608 # nosec B608 - compiled text
        )
        return cls(rewritten, carriers)

    def batches(self, parameters: Sequence[Any], size: int) -> Iterator[_InsertManyValuesBatch]:
        """Yield the statement once for every ``size`` rows, with one value a column."""
        total = -(-len(parameters) // size)
        for number in range(total):
            rows = parameters[number * size : (number + 1) * size]
            columns = zip(self._carriers, zip(*rows, strict=True), strict=True)
            yield _InsertManyValuesBatch(
                self._rewritten,
                tuple(each.pack(column) for each, column in columns),
                None,
                rows,
                [],
                len(rows),
                number + 1,
                total,
                rows_sorted=True,
                is_downgraded=False,
            )


def _hides_placeholder(expression: str) -> bool:
    """Whether what looks like a placeholder may be text: ``nextval('a$1')``."""
    return any("$" in literal for literal in _LITERAL.findall(expression))


def _carriers(
    types: Sequence[Any], parameters: Sequence[Any], dialect: DefaultDialect
) -> list[Carrier] | None:
    """Return how each column travels, or None if one of them cannot."""
    found = []
    for type_, values in zip(types, zip(*parameters, strict=True), strict=True):
        name = duckdb_type(type_, dialect)
        listed = partial(_as_list, type_, dialect)
        each = carrier(values, name, listed) if name is not None else None
        if each is None:
            return None
        found.append(each)
    return found


def _as_list(type_: Any, dialect: DefaultDialect, values: Sequence[Any]) -> list[Any]:
    return list(as_list(type_, values, dialect))
