"""Keys and indexes: row security does not apply to them, so they have to begin with whose it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import sql

from axai_pg.isolation.catalogue import as_said
from axai_pg.isolation.rules import Hole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axai_pg.isolation.catalogue import Catalogue, Relation

__all__ = ["CHECKS"]

_FOREIGN: Final[LiteralString] = """
SELECT conname, conkey, confkey, confrelid, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = %s AND contype = 'f' AND conparentid = 0 ORDER BY conname
"""
_INDEXES: Final[LiteralString] = """
SELECT relname, indkey::int2[], indisunique, pg_get_indexdef(indexrelid), conname,
    pg_get_constraintdef(pg_constraint.oid), amname
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u', 'x')
WHERE indrelid = %s ORDER BY relname
"""
_UNIQUE_KEYS: Final[LiteralString] = """
SELECT indkey::int2[] FROM pg_index
WHERE indrelid = %s AND indisunique AND indpred IS NULL AND indexprs IS NULL
"""
_SETS: Final = re.compile(r"(ON DELETE SET (?:NULL|DEFAULT))(?! \()")
_COLUMNS: Final = re.compile(r"^(?P<kind>[A-Z ]+) \((?P<columns>.*?)\)(?P<rest>.*)$", re.DOTALL)


def foreign_keys(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the keys through which a row can belong to a row of others."""
    tables = {table.oid: table for table in catalogue.tables}
    for table in catalogue.tables:
        for name, own, other, parent_oid, definition in catalogue.rows(_FOREIGN, table.oid):
            parent = tables.get(parent_oid)
            if parent is None or not (table.is_owned and parent.is_owned):
                continue
            if (table.tenant.number, parent.tenant.number) not in zip(own, other, strict=True):
                yield Hole(
                    f"key {name} of {table.schema}.{table.name}",
                    "it leads to rows of others, and tells which there are",
                    _with_tenant(catalogue, (table, parent), name, (own, other), definition),
                )


def _with_tenant(
    catalogue: Catalogue,
    tables: tuple[Relation, Relation],
    name: str,
    columns: tuple[list[int], list[int]],
    definition: str,
) -> str:
    """Return the statements that put the organisation into a key."""
    table, parent = tables
    own, other = (_columns(*pair) for pair in zip(tables, columns, strict=True))
    rest = definition.partition(" REFERENCES ")[2].partition(")")[2]
    loose = sql.SQL(", ").join(sql.Identifier(table.columns[number]) for number in columns[0])
    rest = _SETS.sub(lambda match: f"{match[1]} ({loose.as_string()})", rest)
    made = ""
    wanted = {parent.tenant.number, *columns[1]}
    if not any(set(key) == wanted for (key,) in catalogue.rows(_UNIQUE_KEYS, parent.oid)):
        made = catalogue.text("CREATE UNIQUE INDEX ON {} ({});\n", parent.path, other)
    return made + catalogue.text(
        "ALTER TABLE {0} DROP CONSTRAINT {1},\nADD CONSTRAINT {1} FOREIGN KEY ({2})"
        " REFERENCES {3} ({4}){5};",
        table.path,
        sql.Identifier(name),
        own,
        parent.path,
        other,
        as_said(rest),
    )


def unique_keys(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the keys and unique indexes that say whether others have a value."""
    for table, row in _not_by_tenant(catalogue):
        name, key, unique, definition, constraint, said, _ = row
        if not unique:
            continue
        if constraint is None:
            statement = _reindexed(catalogue, table, name, definition)
        else:
            statement = _reconstrained(catalogue, table, constraint, key, said)
        yield Hole(
            f"key {name} of {table.schema}.{table.name}",
            "it tells whether others have a value",
            statement,
        )


def indexes(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the indexes in which the rows of one organisation are not together."""
    for table, (name, _, unique, definition, *_, method) in _not_by_tenant(catalogue):
        if not unique and method in {"btree", "gin", "gist"}:
            yield Hole(
                f"index {name} of {table.schema}.{table.name}",
                "what it finds for one organisation is read among the rows of all",
                _reindexed(catalogue, table, name, definition),
            )


def _not_by_tenant(catalogue: Catalogue) -> Iterator[tuple[Relation, tuple[Any, ...]]]:
    for table in catalogue.tables:
        if not table.is_owned or table.name in catalogue.rules.shared_keys:
            continue
        for row in catalogue.rows(_INDEXES, table.oid):
            if row[1][0] != table.tenant.number:
                yield table, row


def _reconstrained(
    catalogue: Catalogue, table: Relation, name: str, key: list[int], definition: str
) -> str:
    """Return the statement that begins a constraint with the organisation."""
    found = _COLUMNS.match(definition)
    kind, rest = (found["kind"], found["rest"]) if found else ("UNIQUE", "")
    return catalogue.text(
        "ALTER TABLE {0} DROP CONSTRAINT {1},\nADD CONSTRAINT {1} {2} ({3}){4};",
        table.path,
        sql.Identifier(name),
        as_said(kind),
        _columns(table, [number for number in key if number in table.columns]),
        as_said(rest),
    )


def _reindexed(catalogue: Catalogue, table: Relation, name: str, definition: str) -> str:
    tenant = catalogue.text("{}, ", sql.Identifier(table.tenant.name))
    before, opened, after = definition.partition(" (")
    drop = catalogue.text("DROP INDEX {};\n", sql.Identifier(table.schema, name))
    return f"{drop}{before}{opened}{tenant}{after};"


def _columns(table: Relation, numbers: list[int]) -> sql.Composed:
    """Return the columns of a key, that of the organisation first."""
    tenant = table.tenant.name
    names = [table.columns[number] for number in numbers]
    return sql.SQL(", ").join(
        map(sql.Identifier, [tenant, *(name for name in names if name != tenant)])
    )


CHECKS: Final = (foreign_keys, unique_keys, indexes)
