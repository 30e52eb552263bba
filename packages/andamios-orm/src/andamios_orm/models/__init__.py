"""Models: their base, columns they share, types of columns, and who acts."""

from __future__ import annotations

from andamios_orm.models.actor import acting_as, current_actor
from andamios_orm.models.base import Model, Row
from andamios_orm.models.derived import derived
from andamios_orm.models.encryption import EncryptedString, rotate
from andamios_orm.models.lint import Finding, lint
from andamios_orm.models.mixins import (
    AuditMixin,
    HistoryMixin,
    IntegerKeyMixin,
    SoftDeleteMixin,
    TimestampMixin,
    UUIDKeyMixin,
    VersionMixin,
    uuid7,
)
from andamios_orm.models.types import EnumByValue, Money, PydanticJSON, UTCDateTime
from andamios_orm.models.vector import Vector
from andamios_orm.models.written import WrittenRow

__all__ = [
    "AuditMixin",
    "EncryptedString",
    "EnumByValue",
    "Finding",
    "HistoryMixin",
    "IntegerKeyMixin",
    "Model",
    "Money",
    "PydanticJSON",
    "Row",
    "SoftDeleteMixin",
    "TimestampMixin",
    "UTCDateTime",
    "UUIDKeyMixin",
    "Vector",
    "VersionMixin",
    "WrittenRow",
    "acting_as",
    "current_actor",
    "derived",
    "lint",
    "rotate",
    "uuid7",
]
