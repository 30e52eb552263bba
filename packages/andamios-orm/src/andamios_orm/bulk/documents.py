"""Documents in Arrow, which has no type for them: they come as JSON text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import types

from andamios_orm.bulk.arrow import ArrowColumn, is_text
from andamios_orm.dialect import DuckDBDialect
from andamios_orm.dialect.types import decode_json, implementation

if TYPE_CHECKING:
    from sqlalchemy import Column

__all__ = ["arrow_column"]


def arrow_column(array: Any, column: Column[Any] | None) -> ArrowColumn:
    """Return ``array`` as values for ``column``, the texts of a JSON column as documents."""
    is_json = column is not None and isinstance(
        implementation(column.type, DuckDBDialect()), types.JSON
    )
    return ArrowColumn(array, _document if is_json and is_text(array.type) else None)


def _document(value: str) -> Any:
    """Return what a JSON text says; of text that is no JSON, something that is refused."""
    try:
        return decode_json(value)
    except ValueError:
        return _NoDocument(value)


class _NoDocument:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return repr(self.text)
