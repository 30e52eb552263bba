"""How sure, or how much of a whole: a number from 0 to 1."""

from __future__ import annotations

import decimal
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Numeric

from andamios_orm.exceptions import ValueRefused
from andamios_orm.models.checked import Checked

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

__all__ = ["Fraction"]

_UNIT: Final = decimal.Decimal("0.0001")


class Fraction(Checked[decimal.Decimal]):
    """A number from 0 to 1, kept to four digits; any other never reaches the database."""

    impl = Numeric(5, 4)
    cache_ok = True

    def stored(self, value: Any, dialect: Dialect) -> decimal.Decimal:
        """Return the number, to four digits."""
        is_nan = isinstance(value, decimal.Decimal) and value.is_nan()  # it refuses to be compared
        if not _is_number(value) or is_nan or not 0 <= value <= 1:
            raise ValueRefused("it is a number from 0 to 1", value)
        return decimal.Decimal(str(value)).quantize(_UNIT)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """Return the type of what a column is compared or multiplied with: any number."""
        return Numeric() if _is_number(value) else self


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool)
