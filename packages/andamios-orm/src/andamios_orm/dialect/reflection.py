"""What duckdb-sqlalchemy's reflection leaves out or says otherwise than SQLAlchemy expects.

Schemas of the engine's own database are listed by their plain names, the defaults TRUE
and FALSE read as they were written, the condition of a unique index is told apart from its
columns, and generated columns from columns with a default: DuckDB lists the expression
of both in one place, and only ``DESCRIBE`` knows the difference.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

import duckdb_sqlalchemy
from sqlalchemy import text
from sqlalchemy.engine import reflection

from andamios_orm._compat import ReflectedTypes
from andamios_orm.dialect.ddl import COUNTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

__all__ = ["Reflection", "without_cast"]

_SCHEMAS = text("""
    SELECT database_name = current_database(), database_name, schema_name FROM duckdb_schemas()
    WHERE database_name NOT IN ('system', 'temp')
    AND schema_name NOT IN ('information_schema', 'pg_catalog')
    ORDER BY 1 DESC, database_name, schema_name
""")
_WITH_GENERATED_COLUMNS = text("""
    SELECT database_name, schema_name, lower(table_name) FROM duckdb_tables()
    WHERE contains(sql, 'GENERATED ALWAYS AS')
""")
_CONDITION = re.compile(
    rf"\(CASE +WHEN \((?P<condition>.*)\) THEN \('{re.escape(COUNTS)}'\) ELSE NULL END\)", re.DOTALL
)
_BOOLEANS = {"CAST('t' AS BOOLEAN)": "true", "CAST('f' AS BOOLEAN)": "false"}


class Reflection(duckdb_sqlalchemy.Dialect, ReflectedTypes):
    """The reflection that both dialects share."""

    supports_statement_cache = True

    @reflection.cache
    def get_schema_names(self, connection: Connection, **options: Any) -> list[str]:
        """Return the schemas; those of other attached databases as ``database.schema``."""
        quote = self.identifier_preparer.quote
        return [
            schema if own else f"{quote(database)}.{quote(schema)}"
            for own, database, schema in connection.execute(_SCHEMAS)
        ]

    def get_multi_indexes(self, *arguments: Any, **options: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the indexes of each table, with the condition of those that have one."""
        for key, indexes in super().get_multi_indexes(*arguments, **options):
            for index in indexes:
                index.setdefault("dialect_options", {})
                _find_condition(index)
            yield key, indexes

    def _duckdb_columns_from_rows(
        self, connection: Connection, rows: Sequence[dict[str, Any]]
    ) -> dict[str, list[dict[str, Any]]]:
        columns: dict[str, list[dict[str, Any]]]
        columns = super()._duckdb_columns_from_rows(connection, rows)
        if not any(row["column_default"] for row in rows):
            return columns
        for column in chain.from_iterable(columns.values()):
            column["default"] = _BOOLEANS.get(column["default"], column["default"])
        candidates = set(connection.execute(_WITH_GENERATED_COLUMNS))
        for table, own in columns.items():
            row = next(row for row in rows if row["table_name"] == table)
            place = (row["database_name"], row["schema_name"])
            if (*place, table.lower()) in candidates:
                types = {
                    row["column_name"]: row["data_type"]
                    for row in rows
                    if row["table_name"] == table
                }
                self._mark_generated(connection, (*place, table), own, types)
        return columns

    def _mark_generated(
        self,
        connection: Connection,
        name: tuple[str, ...],
        columns: list[dict[str, Any]],
        types: dict[str, str],
    ) -> None:
        """Turn the default of each generated column into what it is computed from."""
        table = ".".join(map(self.identifier_preparer.quote_identifier, name))
        described = connection.exec_driver_sql(f"DESCRIBE {table}")
        without_default = {row[0] for row in described if row[4] is None}
        for column in columns:
            expression = column["default"]
            if expression is not None and column["name"] in without_default:
                sqltext = without_cast(expression, types[column["name"]])
                column["computed"] = {"sqltext": sqltext, "persisted": False}
                column["default"] = None


def _find_condition(index: dict[str, Any]) -> None:
    """Turn the part of an index that stands for its condition into ``duckdb_where``.

    >>> index = {"column_names": ["a", None], "dialect_options": {}}
    >>> index["expressions"] = ["a", "(CASE  WHEN ((b IS NULL)) THEN ('(counts)') ELSE NULL END)"]
    >>> _find_condition(index)
    >>> index
    {'column_names': ['a'], 'dialect_options': {'duckdb_where': '(b IS NULL)'}}
    """
    expressions = index.get("expressions", [""])
    found = _CONDITION.fullmatch(expressions[-1])
    if found is None:
        return
    index["dialect_options"]["duckdb_where"] = found["condition"]
    del index["column_names"][-1], expressions[-1]
    if None not in index["column_names"]:
        del index["expressions"]


def without_cast(expression: str, type_name: str) -> str:
    """Return ``expression`` without the cast to the column's type that DuckDB adds.

    >>> without_cast("CAST((price * 2) AS INTEGER)", "INTEGER")
    '(price * 2)'
    """
    end = f" AS {type_name})"
    if expression.startswith("CAST(") and expression.endswith(end):
        return expression[len("CAST(") : -len(end)]
    return expression
