"""Column types that keep what they are given, on DuckDB and PostgreSQL alike.

A value that a column could not give back as it was is refused with ``ValueRefused``,
which names the column, before the database sees it.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import types

from andamios_orm.dialect.types import encode_json
from andamios_orm.exceptions import ConfigurationError, ValueRefused
from andamios_orm.models.checked import DOCUMENT, Checked

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

__all__ = ["EnumByValue", "Money", "PydanticJSON", "UTCDateTime"]

EnumT = TypeVar("EnumT", bound=enum.Enum)


class UTCDateTime(Checked[dt.datetime]):
    """A point in time: aware datetimes in, UTC out. Naive ones are refused."""

    impl = types.DateTime(timezone=True)
    cache_ok = True

    def stored(self, value: Any, dialect: Dialect) -> dt.datetime:
        """Return the moment in UTC."""
        if not isinstance(value, dt.datetime):
            raise ValueRefused("the column holds points in time: pass an aware datetime", value)
        if value.utcoffset() is None:
            raise ValueRefused("it has no time zone: use datetime.now(UTC)", value)
        try:
            return value.astimezone(dt.UTC)
        except OverflowError:
            raise ValueRefused("in UTC its year is outside of 1 to 9999", value) from None

    def loaded(self, value: Any) -> Any:
        """Return the moment in UTC; what Python's calendar has no date for stays text."""
        if not isinstance(value, dt.datetime):
            return value
        if value.tzinfo is None:  # asyncpg's first and last moments
            return value.replace(tzinfo=dt.UTC)
        return value.astimezone(dt.UTC)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Return the type of what a column is compared with or added to."""
        return types.Interval() if isinstance(value, dt.timedelta) else self


class EnumByValue(Checked[EnumT]):
    """A member of an ``enum.Enum``, stored as its value: text or a whole number.

    ``"active"`` is taken for ``Status.ACTIVE``. It is no ENUM of the database: a new
    member needs no migration.
    """

    cache_ok = True

    def __init__(self, enum_class: type[EnumT]) -> None:
        """Store members of ``enum_class``.

        Raises:
            ConfigurationError: its values are neither all text nor all whole numbers.
        """
        self.enum_class = enum_class
        super().__init__()
        kinds = {type(member.value) for member in enum_class}
        if kinds == {int}:
            self.impl = types.BigInteger()
        elif kinds <= {str}:  # also none, as of enum.Enum itself in a map of annotations
            self.impl = types.String()
        else:
            raise ConfigurationError(
                f"{enum_class.__name__}: give all members text, or all whole numbers, as values"
            )

    def stored(self, value: Any, dialect: Dialect) -> Any:
        """Return the value of the member."""
        try:
            return self.enum_class(value).value
        except ValueError:
            known = ", ".join(repr(member.value) for member in self.enum_class)
            raise ValueRefused(f"{self.enum_class.__name__} has only {known}", value) from None

    def loaded(self, value: Any) -> EnumT:
        """Return the member.

        Raises:
            ValueRefused: it was stored by someone who knows more members.
        """
        try:
            return self.enum_class(value)
        except ValueError:
            reason = f"it is stored, but no member of {self.enum_class.__name__}"
            raise ValueRefused(reason, value, getattr(self._column, "name", None)) from None

    def _resolve_for_python_type(
        self, python_type: type[Any], matched_on: Any, matched_on_flattened: type[Any]
    ) -> Any:
        # SQLAlchemy asks this of the type that stands for enum.Enum in a map of annotations.
        return EnumByValue(python_type)


class Money(Checked[decimal.Decimal]):
    """An exact number: ``Decimal`` and ``int`` in, ``Decimal`` out, never rounded.

    Floats are refused, and so are digits for which there is no place.
    """

    cache_ok = True

    def __init__(self, precision: int = 18, scale: int = 2) -> None:
        """Keep ``precision`` digits, ``scale`` of them after the point."""
        self.precision = precision
        self.scale = scale
        super().__init__()
        self.impl = types.Numeric(precision, scale)

    def stored(self, value: Any, dialect: Dialect) -> decimal.Decimal:
        """Return the number with all its places."""
        if isinstance(value, bool) or not isinstance(value, (int, decimal.Decimal)):
            raise ValueRefused("the column is exact: pass a Decimal or an int", value)
        sign, digits, exponent = decimal.Decimal(value).as_tuple()
        if not isinstance(exponent, int):
            raise ValueRefused("the column holds finite numbers", value)
        number = int("".join(map(str, digits)))
        if not number:
            return decimal.Decimal((0, (0,), -self.scale))
        places = exponent + self.scale
        if places > self.precision:
            raise self._too_large(value)
        if places < 0:
            number, lost = divmod(number, 10 ** min(-places, len(digits)))
            if lost or -places > len(digits):
                reason = f"it has more than {self.scale} places: round it yourself"
                raise ValueRefused(reason, value)
        else:
            number *= 10**places
        if number >= 10**self.precision:
            raise self._too_large(value)
        return decimal.Decimal((sign, tuple(map(int, str(number))), -self.scale))

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Return the type of what a column is compared with: it may have more places."""
        exact = isinstance(value, (int, decimal.Decimal)) and not isinstance(value, bool)
        return types.Numeric() if exact else self

    def _too_large(self, value: Any) -> ValueRefused:
        before = self.precision - self.scale
        return ValueRefused(f"it has more than {before} digits before the point", value)


class PydanticJSON(Checked[Any]):
    """A JSON document that is an instance of a pydantic model, or of any type pydantic knows.

    What is read was validated; a dict that fits is taken for an instance. A change
    inside of an instance is not noticed: assign a changed copy,
    ``row.options = row.options.model_copy(update={...})``.
    """

    impl = DOCUMENT
    cache_ok = True

    def __init__(self, model: Any) -> None:
        """Store instances of ``model``."""
        self.model = model
        self._known: Any = None
        super().__init__()

    def stored(self, value: Any, dialect: Dialect) -> Any:
        """Return the document.

        Raises:
            ValueRefused: it is no such model, or has no JSON form.
        """
        try:
            valid = self._adapter.validate_python(value, by_alias=True, by_name=True)
            document = self._adapter.dump_python(valid, mode="json")
        except ValueError as error:
            raise ValueRefused(f"it is no {self._name}: {_first_fault(error)}", value) from error
        encode_json(document)
        return document

    def loaded(self, value: Any) -> Any:
        """Return the validated instance.

        Raises:
            ValueRefused: the document was stored by a model that was another one.
        """
        try:
            return self._adapter.validate_json(encode_json(value), by_alias=True, by_name=True)
        except ValueError as error:
            reason = f"it is stored, but no {self._name}: {_first_fault(error)}"
            raise ValueRefused(reason, value, getattr(self._column, "name", None)) from error

    @property
    def _name(self) -> str:
        return self.model.__name__ if isinstance(self.model, type) else str(self.model)

    @property
    def _adapter(self) -> Any:
        if self._known is None:
            from pydantic import TypeAdapter

            self._known = TypeAdapter(self.model)
        return self._known


def _first_fault(error: ValueError) -> str:
    """Return where the first fault is and what it is."""
    faults = getattr(error, "errors", None)
    if faults is None:
        return str(error)
    fault = faults(include_url=False, include_input=False)[0]
    where = ".".join(map(str, fault["loc"]))
    return f"{where}: {fault['msg']}" if where else str(fault["msg"])
