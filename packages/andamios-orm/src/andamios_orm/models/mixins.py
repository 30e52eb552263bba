"""Columns that many models share: keys, times, authors, versions, soft deletion."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import BigInteger, Identity, Integer, String, Table, Uuid, event, func
from sqlalchemy.orm import Mapped, mapped_column

from andamios_orm.models.actor import current_actor
from andamios_orm.models.clock import now
from andamios_orm.models.types import UTCDateTime
from andamios_orm.models.unique import free_deleted_values

if TYPE_CHECKING:
    from sqlalchemy.engine.default import DefaultExecutionContext
    from sqlalchemy.orm import Mapper

__all__ = [
    "AuditMixin",
    "HistoryMixin",
    "IntegerKeyMixin",
    "SoftDeleteMixin",
    "TimestampMixin",
    "UUIDKeyMixin",
    "VersionMixin",
    "uuid7",
]

_FIRST = -100
_CREATED_AT, _UPDATED_AT, _CREATED_BY, _UPDATED_BY, _VERSION, _DELETED_AT = range(100, 106)


class _Keys:
    """UUIDs of version 7 that only ever rise in this process (RFC 9562, 6.2, method 2)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._milliseconds = self._tail = 0

    def __call__(self) -> uuid.UUID:
        if self._process != os.getpid():
            self.__init__()  # type: ignore[misc]  # after a fork: neither the lock nor the keys
        with self._lock:
            now = time.time_ns() // 1_000_000
            self._tail += 1 + secrets.randbits(32)
            if now > self._milliseconds or self._tail >> 74:
                self._milliseconds = max(now, self._milliseconds + 1)
                self._tail = secrets.randbits(73)
            milliseconds, tail = self._milliseconds, self._tail
        head = (milliseconds & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | tail >> 62
        return uuid.UUID(int=head << 64 | 0b10 << 62 | tail & (1 << 62) - 1)


_keys = _Keys()


def uuid7() -> uuid.UUID:
    """Return a new UUID of version 7, greater than every earlier one of this process."""
    return _keys()


def _as_created(context: DefaultExecutionContext) -> dt.datetime:
    """Return the time of creation, so that a new row shows one time and not two."""
    try:
        created = context.get_current_parameters().get("created_at")  # type: ignore[no-untyped-call]  # SQLAlchemy's
    except KeyError:  # of insert(Model).values([...]), which SQLAlchemy cannot tell apart
        return now()
    return created if isinstance(created, dt.datetime) else now()


class IntegerKeyMixin:
    """``id``, a whole number that the database counts up."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, sort_order=_FIRST)


class UUIDKeyMixin:
    """``id``, a UUID of version 7 made here: unguessable, yet sorted by time."""

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid7, sort_order=_FIRST)


class TimestampMixin:
    """``created_at`` and ``updated_at``, in UTC."""

    created_at: Mapped[dt.datetime] = mapped_column(
        UTCDateTime, default=now, server_default=func.now(), sort_order=_CREATED_AT
    )
    updated_at: Mapped[dt.datetime] = mapped_column(
        UTCDateTime,
        default=_as_created,
        onupdate=now,
        server_default=func.now(),
        sort_order=_UPDATED_AT,
    )


class SoftDeleteMixin:
    """``deleted_at``: a row that was deleted stays, and is left out of what is listed.

    Its unique values are free for another row; ``info={"with_deleted": True}`` on a
    unique column, constraint or index says that they are not.
    """

    deleted_at: Mapped[dt.datetime | None] = mapped_column(UTCDateTime, sort_order=_DELETED_AT)

    @property
    def is_deleted(self) -> bool:
        """Whether the row was deleted."""
        return self.deleted_at is not None


@event.listens_for(SoftDeleteMixin, "instrument_class", propagate=True)
def _free_deleted_values(mapper: Mapper[Any], _model: type[Any]) -> None:
    table = mapper.local_table
    if isinstance(table, Table) and "deleted_at" in table.c:
        free_deleted_values(table.c["deleted_at"])


class VersionMixin:
    """``version``, from 1 up: an update of a row that someone else changed is refused."""

    version: Mapped[int] = mapped_column(
        Integer, default=1, server_default="1", sort_order=_VERSION
    )


@event.listens_for(VersionMixin, "instrument_class", propagate=True)
def _count_versions(mapper: Mapper[Any], _model: type[Any]) -> None:
    # An event, not __mapper_args__: those of a model would replace these.
    if mapper.version_id_col is None and "version" in mapper.local_table.c:
        mapper.version_id_col = mapper.local_table.c["version"]


class AuditMixin:
    """``created_by`` and ``updated_by``: who acted, as ``acting_as()`` says."""

    created_by: Mapped[str | None] = mapped_column(
        String, default=current_actor, sort_order=_CREATED_BY
    )
    updated_by: Mapped[str | None] = mapped_column(
        String, default=current_actor, onupdate=current_actor, sort_order=_UPDATED_BY
    )


class HistoryMixin:
    """Rows are kept as they were before and after each change."""

    __history__: ClassVar[bool] = True
