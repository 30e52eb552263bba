"""Which rows are there for a reader: soft-deleted ones are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from andamios_orm.models.mixins import SoftDeleteMixin
from andamios_orm.queries.fields import mapper_of

if TYPE_CHECKING:
    from sqlalchemy.sql import ColumnElement

__all__ = ["visible"]


def visible(model: Any) -> ColumnElement[bool] | None:
    """Return the condition that leaves out soft-deleted rows, or None if the model has none."""
    if not issubclass(mapper_of(model).class_, SoftDeleteMixin):
        return None
    condition: ColumnElement[bool] = model.deleted_at.is_(None)
    return condition
