"""Column types that keep what they are given, on DuckDB and PostgreSQL alike."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from sqlalchemy import types

from andamios_orm.exceptions import ValueRefused

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

__all__ = ["UTCDateTime"]


class UTCDateTime(types.TypeDecorator[dt.datetime]):
    """A point in time: aware datetimes in, UTC out. Naive ones are refused."""

    impl = types.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        """Return the moment in UTC."""
        if value is None:
            return None
        if not isinstance(value, dt.datetime):
            raise ValueRefused("the column holds points in time: pass an aware datetime", value)
        if value.tzinfo is None:
            raise ValueRefused("it has no time zone: use datetime.now(UTC)", value)
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        """Return the moment in UTC."""
        return value.astimezone(dt.UTC) if isinstance(value, dt.datetime) else value
