"""Values as PostgreSQL reads them out of text."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import types

from andamios_orm.exceptions import ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

__all__ = ["text_of"]


def text_of(type_: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], str | None]:
    """Return the function that writes values of a type as text, which is cast to the type.

    It raises ``ValueRefused`` for a value of a kind that it does not know.
    """
    found = type_.dialect_impl(dialect)
    process = found.bind_processor(dialect)

    def as_text(value: Any) -> str | None:
        sent = value if process is None else process(value)
        if hasattr(sent, "obj"):  # psycopg's Jsonb or Binary
            sent = json.dumps(sent.obj) if isinstance(found, types.JSON) else sent.obj
        if sent is None:
            return None
        for kind, write in _WRITTEN.items():
            if isinstance(sent, kind):
                return write(sent)
        raise ValueRefused(
            f"an array of {type(sent).__name__} goes by way of a temporary table, which the role "
            f"may not make: GRANT TEMPORARY ON DATABASE, or create rows one by one",
            value,
        )

    return as_text


def _interval(value: dt.timedelta) -> str:
    return f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"


_WRITTEN: Final[dict[type[Any], Callable[[Any], str]]] = {
    str: str,
    bool: lambda value: "true" if value else "false",
    int: str,
    float: repr,
    decimal.Decimal: str,
    uuid.UUID: str,
    dt.date: lambda value: value.isoformat(),
    dt.time: lambda value: value.isoformat(),
    dt.timedelta: _interval,
    bytes: lambda value: f"\\x{value.hex()}",
}
