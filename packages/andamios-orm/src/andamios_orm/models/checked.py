"""The base of types that look at each value before the database sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import JSON, Column, types
from sqlalchemy.dialects.postgresql import JSONB

from andamios_orm.exceptions import ValueRefused

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

__all__ = ["DOCUMENT", "Checked"]

ValueT = TypeVar("ValueT")

DOCUMENT = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A JSON document; None is NULL."""


class Checked(types.TypeDecorator[ValueT]):
    """A type that refuses what it would have to change, and names the column.

    Subclasses say in ``stored()`` what to store for a value that is not None, and in
    ``loaded()`` what to give back.
    """

    impl: Any = types.NullType
    _column: Column[Any] | None = None

    def stored(self, value: Any, dialect: Dialect) -> Any:
        """Return what is sent to the database, or raise ``ValueRefused``."""
        raise NotImplementedError

    def loaded(self, value: Any) -> Any:
        """Return the value that ``value`` was stored for."""
        return value

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Check and convert a value on its way in."""
        if value is None:
            return None
        try:
            return self.stored(value, dialect)
        except ValueRefused as refused:
            if refused.column is not None or self._column is None:
                raise
            raise ValueRefused(refused.reason, refused.value, self._column.name) from refused

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Convert a value on its way out."""
        return None if value is None else self.loaded(value)

    def _set_parent(self, parent: Any, outer: bool = False, **options: Any) -> None:  # noqa: FBT001, FBT002  # SQLAlchemy's
        """Learn the column; one instance may be given to several, each gets its own."""
        super()._set_parent(parent, outer=outer, **options)  # type: ignore[no-untyped-call, unused-ignore]  # SQLAlchemy's
        if self._column is None:
            self._column = parent
        else:
            parent.type = own = self.copy()
            own._column = parent  # noqa: SLF001  # it is of this class
