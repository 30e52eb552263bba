"""The tables of models as SQL, as a picture, and as diagrams that other programs draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.schema import CreateIndex, CreateTable, sort_tables_and_constraints

from andamios_orm.cli.picture import picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Column, MetaData, Table
    from sqlalchemy.engine import Dialect

__all__ = ["drawn"]


def drawn(metadata: Sequence[MetaData], form: str, dialect: Dialect) -> str:
    """Return all tables as ``sql``, ``svg``, ``mermaid`` or ``dot``."""
    every = [table for each in metadata for table in each.tables.values()]
    # Unlike MetaData.sorted_tables, it knows what to do with tables that refer to each other.
    ordered = sort_tables_and_constraints(every)  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    tables = [table for table, _ in ordered if table is not None]
    forms = {"sql": _sql, "svg": picture, "mermaid": _mermaid, "dot": _dot}
    return "\n".join(forms[form](tables, dialect))


def _sql(tables: Sequence[Table], dialect: Dialect) -> Iterator[str]:
    for table in tables:
        yield str(CreateTable(table).compile(dialect=dialect)).strip() + ";"
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            if statement := str(CreateIndex(index).compile(dialect=dialect)):
                yield f"{statement};"


def _mermaid(tables: Sequence[Table], dialect: Dialect) -> Iterator[str]:
    yield "erDiagram"
    for table in tables:
        yield f"    {_plain(table.name)} {{"
        for column in table.columns:
            yield f"        {_plain(_type(column, dialect))} {_plain(column.name)}{_role(column)}"
        yield "    }"
    for child, parent, label in _keys(tables):
        yield f'    {_plain(parent)} ||--o{{ {_plain(child)} : "{label}"'


def _dot(tables: Sequence[Table], dialect: Dialect) -> Iterator[str]:
    yield "digraph models {"
    yield "    node [shape=record];"
    for table in tables:
        columns = "".join(
            f"{_plain(column.name)}: {_plain(_type(column, dialect))}\\l"
            for column in table.columns
        )
        yield f'    {_plain(table.name)} [label="{{{_plain(table.name)}|{columns}}}"];'
    for child, parent, label in _keys(tables):
        yield f'    {_plain(child)} -> {_plain(parent)} [label="{label}"];'
    yield "}"


def _keys(tables: Sequence[Table]) -> Iterator[tuple[str, str, str]]:
    """Yield each foreign key: the table that has it, the one it refers to, its columns."""
    for table in tables:
        for key in sorted(table.foreign_key_constraints, key=lambda each: str(each.name)):
            yield table.name, key.referred_table.name, ", ".join(map(_plain, key.column_keys))


def _type(column: Column[object], dialect: Dialect) -> str:
    return str(column.type.compile(dialect=dialect))


def _role(column: Column[object]) -> str:
    return " PK" if column.primary_key else " FK" if column.foreign_keys else ""


def _plain(name: str) -> str:
    """Return a name with only letters, digits and underscores, which every program reads."""
    return "".join(letter if letter.isalnum() else "_" for letter in name).strip("_")
