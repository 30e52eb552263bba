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
        is_number = isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= 1:  # no NaN is, either
            raise ValueRefused("it is a number from 0 to 1", value)
        return decimal.Decimal(str(value)).quantize(_UNIT)
