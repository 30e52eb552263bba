"""A table as it is read from one database and written to another: parents before children."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Column,
    MetaData,
    Table,
    and_,
    cast,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from andamios_orm.bulk.copying import can_copy, copy_rows
from andamios_orm.bulk.stage import Given, run, staged
from andamios_orm.dialect.binds import bind_column
from andamios_orm.maintenance.counterparts import carried, is_single, stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ForeignKeyConstraint, Select
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncConnection

    from andamios_orm.core import Database
    from andamios_orm.maintenance.counterparts import Carried

__all__ = ["Pair"]

_DEPTH: Final = "andamios_depth"
"""The last column of what is read of a table whose rows refer to each other."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A table of both databases: how its columns are read from the one, and sent to the other."""

    table: Table
    read: tuple[Carried, ...]
    written: tuple[Carried, ...]

    @classmethod
    def of(cls, table: Table, source: Database, target: Database) -> Pair:
        """Return how a table travels."""
        one, other = source.engine.dialect, target.engine.dialect
        read, written = [], []
        for column in stored(table):
            single = is_single(column, one)
            read.append(carried(column, one, is_single=single))
            written.append(carried(column, other, is_single=single))
        return cls(table, tuple(read), tuple(written))

    @property
    def name(self) -> str:
        """The name of the table, with its schema."""
        return self.table.fullname

    @property
    def own_keys(self) -> list[ForeignKeyConstraint]:
        """The keys by which rows refer to other rows of the table."""
        return [key for key in self.table.foreign_key_constraints if _is_own(key)]

    def rows(self, dialect: Dialect) -> Select[Any]:
        """Return the query for all rows, in an order that is the same in every run.

        Rows that refer to others of the table stand behind those; the last column says
        how far down they are.
        """
        parts = [each.read for each in self.read]
        keys: list[Any] = list(self.table.primary_key.columns)
        name = dialect.identifier_preparer.format_table(self.table)
        if dialect.name == "duckdb":
            place: list[Any] = [literal_column(f"{name}.rowid")]
        else:
            place = keys or [literal_column(f"{name}.ctid")]
        if not self.own_keys:
            return select(*parts).order_by(*place)
        tree = self._tree()
        *names, deep = tree.c
        depths = select(*names, func.max(deep).label(_DEPTH)).group_by(*names)
        depth = depths.subquery("andamios_tree")
        same = and_(*(key == depth.c[number] for number, key in enumerate(keys)))
        joined = self.table.outerjoin(depth, same)
        level = depth.c[_DEPTH]
        return select(*parts, level).select_from(joined).order_by(level.nulls_last(), *place)

    def _tree(self) -> Any:
        """Return how far each row is below one that refers to none."""
        keys = list(self.table.primary_key.columns)
        is_top = [
            or_(
                *(element.parent.is_(None) for element in key.elements),
                and_(*(element.parent == element.column for element in key.elements)),
            )
            for key in self.own_keys
        ]
        top = select(
            *(key.label(f"k{number}") for number, key in enumerate(keys)),
            literal(0).label(_DEPTH),
        ).where(and_(*is_top))
        tree = top.cte("andamios_levels", recursive=True)
        child, parent = self.table.alias("andamios_child"), self.table.alias("andamios_parent")
        edges = [
            and_(
                *(child.c[e.parent.key] == parent.c[e.column.key] for e in key.elements),
                or_(*(child.c[e.parent.key] != child.c[e.column.key] for e in key.elements)),
            )
            for key in self.own_keys
        ]
        is_parent = and_(*(parent.c[key.key] == tree.c[n] for n, key in enumerate(keys)))
        below = (
            select(*(child.c[key.key] for key in keys), tree.c[_DEPTH] + 1)
            .select_from(tree)
            .join(parent, is_parent)
            .join(child, or_(*edges))
        )
        return tree.union_all(below)

    async def write(self, connection: AsyncConnection, batch: Sequence[Any]) -> None:
        """Write rows that were read with ``rows()``."""
        if not self.own_keys:
            await _write(connection, self, batch)
        elif connection.dialect.name == "postgresql":  # looks at keys at the end of a statement
            await _write(connection, self, [row[:-1] for row in batch])
        else:
            for _, level in groupby(batch, key=lambda row: row[-1]):
                await _write(connection, self, [row[:-1] for row in level])


def _is_own(key: ForeignKeyConstraint) -> bool:
    return key.referred_table is key.table and bool(key.table.primary_key.columns)


async def _write(connection: AsyncConnection, pair: Pair, rows: Sequence[Any]) -> None:
    """Write rows: over COPY where psycopg is there, else by column."""
    columns, dialect = pair.written, connection.dialect
    values = list(zip(*rows, strict=True))
    if can_copy(connection, [each.stored for each in columns]):
        bare = [Column(each.column.name, each.stored) for each in columns]
        into = Table(pair.table.name, MetaData(), *bare, schema=pair.table.schema)
        sent = [_copied(*each, dialect) for each in zip(columns, values, strict=True)]
        await copy_rows(connection, into, list(into.columns), sent)
        return
    is_native = dialect.name == "duckdb"
    given = {
        each.column.name: Given(
            each.type_,
            column,
            bind_column(each.type_, column, dialect, column=each.column.name)
            if is_native
            else column,
        )
        for each, column in zip(columns, values, strict=True)
    }
    async with staged(connection, given, once=True) as stage:
        taken = [
            stage[each.column.name]
            if each.type_ is each.stored
            else cast(stage[each.column.name], each.column.type)
            for each in columns
        ]
        statement = insert(pair.table).from_select(
            [each.column for each in columns], select(*taken), include_defaults=False
        )
        await run(connection, statement, tables=stage.tables)


def _copied(column: Carried, values: Sequence[Any], dialect: Dialect) -> Sequence[Any]:
    """Return values as psycopg takes them."""
    if column.is_document:
        from psycopg.types.json import Json, Jsonb

        kind = Jsonb if isinstance(column.stored, JSONB) else Json
        return [None if value is None else kind(value, dumps=str) for value in values]
    process = column.type_.dialect_impl(dialect).bind_processor(dialect)
    return values if process is None else [process(value) for value in values]
