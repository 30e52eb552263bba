"""What Python fills in for columns that were left out, in the task that inserts.

SQLAlchemy calls such defaults where the statement runs. Where one task writes the rows of
others, that would be the wrong one: who acts, or whose tenant it is, belongs to a task.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Table

__all__ = ["with_defaults"]


def with_defaults(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` of a new row, with the defaults that Python gives for the others.

    A default that asks for more than the row, such as for its connection, is left to
    the statement.
    """
    row = dict(values)
    context = _Row(row)
    for column in table.c:
        default: Any = column.default
        if default is None or column.key in row:
            continue
        if default.is_scalar:  # a later default may look at it
            row[column.key] = default.arg
        elif default.is_callable:
            with suppress(_AsksForMore):
                row[column.key] = default.arg(context)
    return row


class _AsksForMore(Exception):
    """A default needs what only a running statement has."""


class _Row:
    """What a default is called with: as much of SQLAlchemy's context as is known already."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.current_parameters = values

    def get_current_parameters(
        self,
        isolate_multiinsert_groups: bool = True,  # noqa: ARG002, FBT001, FBT002 - SQLAlchemy's
    ) -> dict[str, Any]:
        """Return the values of the row."""
        return self.current_parameters

    def __getattr__(self, name: str) -> Any:
        """Give up."""
        raise _AsksForMore(name)
