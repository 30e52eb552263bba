"""The columns that entities share, by the names that andamios_orm gives them."""

from __future__ import annotations

from andamios_orm.models.mixins import (
    AuditMixin,
    HistoryMixin,
    IntegerKeyMixin,
    SoftDeleteMixin,
    TimestampMixin,
    VersionMixin,
)

__all__ = [
    "AuditMixin",
    "EntityMixin",
    "HistoryMixin",
    "IntegerKeyMixin",
    "SoftDeleteMixin",
    "TimestampMixin",
    "VersionMixin",
]


class EntityMixin(IntegerKeyMixin, TimestampMixin, VersionMixin, SoftDeleteMixin):
    """A row with a key, times, a version, and a deletion that can be taken back."""
