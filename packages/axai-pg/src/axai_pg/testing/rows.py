"""Rows for every table of organisations, made from the catalogue: new tables get some, too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import sql
from psycopg.rows import tuple_row
from psycopg.types.json import Jsonb

from andamios_orm.models import uuid7

if TYPE_CHECKING:
    import uuid

    import psycopg

__all__ = ["TenantTable", "insert_row", "insert_rows", "tenant_tables"]

_TABLES: Final[LiteralString] = """
SELECT relation.oid, relname FROM pg_class AS relation
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = relation.oid AND attname = 'org_id'
) AND has_table_privilege('axai_app', relation.oid, 'INSERT')
ORDER BY relname
"""
_COLUMNS: Final[LiteralString] = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef
AND attname <> 'org_id'
"""
_KEYS: Final[LiteralString] = """
SELECT conname, (
    SELECT array_agg(attname ORDER BY place)
    FROM unnest(conkey) WITH ORDINALITY AS at(number, place)
    JOIN pg_attribute ON attrelid = conrelid AND attnum = number
), (SELECT relname FROM pg_class WHERE oid = confrelid)
FROM pg_constraint WHERE conrelid = %s AND contype = 'f'
"""
_CHECKS: Final[LiteralString] = """
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s AND contype = 'c'
"""
_CHOICE: Final = re.compile(r"\(+(?P<column>\w+)\)*(?:::\w+)? = ANY \(+ARRAY\['(?P<first>[^']*)'")
_ONE_OF: Final = re.compile(r"num_nonnulls\((?P<column>\w+),")


@dataclass(frozen=True, slots=True)
class TenantTable:
    """A table of organisations, and what a row of it cannot do without.

    ``required`` has the type of each column, ``choices`` a value where only some are
    allowed, ``parents`` the table that each key refers to.
    """

    name: str
    required: dict[str, str]
    choices: dict[str, str]
    parents: dict[str, str]


def tenant_tables(connection: psycopg.Connection[Any]) -> list[TenantTable]:
    """Return the tables that services write rows of organisations to, parents first."""
    found = {}
    cursor = connection.cursor(row_factory=tuple_row)
    for oid, name in cursor.execute(_TABLES).fetchall():
        checks = " ".join(text for (text,) in cursor.execute(_CHECKS, [oid]))
        required: dict[str, str] = dict(cursor.execute(_COLUMNS, [oid]).fetchall())
        required.update(dict.fromkeys(_ONE_OF.findall(checks), "uuid"))
        parents = {
            columns[-1]: parent
            for _, columns, parent in cursor.execute(_KEYS, [oid])
            if columns != ["org_id"]
        }
        found[name] = TenantTable(name, required, dict(_CHOICE.findall(checks)), parents)
    return _parents_first(found)


def insert_rows(connection: psycopg.Connection[Any], org_id: uuid.UUID) -> dict[str, uuid.UUID]:
    """Return the key of a new row in each table, ``organizations`` included.

    The connection has to be allowed to write rows of ``org_id``.
    """
    connection.execute("INSERT INTO organizations (id, name) VALUES (%s, 'x')", [org_id])
    keys = {"organizations": org_id}
    for table in tenant_tables(connection):
        keys[table.name] = insert_row(connection, table, org_id, keys)
    return keys


def insert_row(
    connection: psycopg.Connection[Any],
    table: TenantTable,
    org_id: uuid.UUID | None,
    keys: dict[str, uuid.UUID],
    **given: Any,
) -> uuid.UUID:
    """Return the key of a new row, whose parents have ``keys``; ``given`` values come first."""
    values: dict[str, Any] = {"id": uuid7()}
    if org_id is not None:
        values["org_id"] = org_id
    for column, kind in table.required.items():
        values[column] = _value(table, column, kind, keys)
    values.update(given)
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table.name),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        ),
        list(values.values()),
    )
    key: uuid.UUID = values["id"]
    return key


def _value(table: TenantTable, column: str, kind: str, keys: dict[str, uuid.UUID]) -> Any:
    if column in table.choices:
        return table.choices[column]
    if column in table.parents:
        return keys[table.parents[column]]
    if kind in {"text", "character varying"}:
        return f"{uuid7()}@x" if column == "email" else str(uuid7())
    return {"integer": 1, "bigint": 1, "boolean": True, "jsonb": Jsonb({})}.get(kind, uuid7())


def _parents_first(tables: dict[str, TenantTable]) -> list[TenantTable]:
    ordered: dict[str, TenantTable] = {}

    def add(table: TenantTable) -> None:
        for column, parent in table.parents.items():
            if column in table.required and parent != table.name and parent not in ordered:
                add(tables[parent])
        ordered[table.name] = table

    for table in tables.values():
        if table.name not in ordered:
            add(table)
    return list(ordered.values())
