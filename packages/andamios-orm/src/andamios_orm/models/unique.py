"""Unique means unique among the rows that are there: what was deleted softly frees its values.

Each unique constraint and index of a table with soft deletion becomes a unique index
over the rows that are not deleted, which the database itself keeps, whoever writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Index, UniqueConstraint, event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Column, Table

__all__ = ["free_deleted_values", "unique_columns"]

_WITH_DELETED: Final = "with_deleted"
_DELETED: Final = "andamios_deleted"
_AMONG_LIVE: Final = "andamios_among_live"


def free_deleted_values(deleted: Column[Any]) -> None:
    """Make what is unique in a table unique among the rows where ``deleted`` is NULL.

    What says ``info={"with_deleted": True}`` stays as it is, and so do constraints that
    are deferrable, which no index can be, and indexes with a condition of their own.
    """
    deleted.info[_DELETED] = True
    table: Any = deleted.table
    for constraint in [each for each in table.constraints if isinstance(each, UniqueConstraint)]:
        if not constraint.deferrable and not _stays_whole(constraint, constraint.columns):
            table.constraints.discard(constraint)
            _build(table, constraint, constraint.columns)
    for index in list(table.indexes):
        if not _stays_whole(index, index.columns):
            table.indexes.discard(index)
            _build(table, index, index.expressions)


def unique_columns(table: Table) -> list[set[Any]]:
    """Return which columns of ``table`` have the same values in no two rows.

    Rows that were deleted softly do not count.
    """
    constraints = (each for each in table.constraints if isinstance(each, UniqueConstraint))
    indexes = (
        index
        for index in table.indexes
        if index.unique and (_condition(index) is None or index.info.get(_AMONG_LIVE))
    )
    return [
        set(table.primary_key),
        *(set(constraint.columns) for constraint in constraints),
        *(set(index.expressions) for index in indexes),
    ]


def _stays_whole(unique: UniqueConstraint | Index, columns: Iterable[Any]) -> bool:
    """Whether all rows count, or a condition says already which do."""
    if isinstance(unique, Index) and (not unique.unique or _condition(unique) is not None):
        return True
    own = list(columns)
    places = (unique, *own) if len(own) == 1 else (unique,)
    return any(place.info.get(_WITH_DELETED) for place in places)


def _condition(index: Index) -> Any:
    return index.dialect_options["postgresql"]["where"]


def _build(table: Table, unique: UniqueConstraint | Index, columns: Iterable[Any]) -> None:
    """Make a unique index, which ``_free`` takes care of, in place of ``unique``."""
    own = list(columns)
    if len(own) == 1:  # or a copy of the column would bring back what is replaced
        own[0].unique = own[0].index = None
    name = unique.name if isinstance(unique.name, str) else None
    index = Index(name, *own, unique=True, info=dict(unique.info), **unique.dialect_kwargs)
    if not index.columns:  # an expression in SQL does not say what table it is about
        table.append_constraint(index)


@event.listens_for(Index, "after_parent_attach")
def _free(index: Index, table: Table) -> None:
    """Leave the deleted rows out of a unique index, also of one that is made after its model."""
    deleted = next((column for column in table.c if column.info.get(_DELETED)), None)
    if deleted is not None and not _stays_whole(index, index.columns):
        condition = deleted.is_(None)
        index.dialect_kwargs.update({"postgresql_where": condition, "duckdb_where": condition})
        index.info[_AMONG_LIVE] = True
