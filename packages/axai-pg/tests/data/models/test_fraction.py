"""A fraction is a number from 0 to 1; what is not is named before it is sent."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import make_url

from andamios_orm.exceptions import ValueRefused
from axai_pg.data.models.fraction import Fraction

pytestmark = pytest.mark.unit

DIALECT = make_url("postgresql+psycopg://").get_dialect()()


@pytest.mark.parametrize(
    ("value", "stored"),
    [(0, "0"), (1, "1"), (0.5, "0.5"), (0.123449, "0.1234"), (Decimal("0.87655"), "0.8766")],
)
def test_a_fraction_is_kept_to_four_digits(value: float, stored: str) -> None:
    assert Fraction().process_bind_param(value, DIALECT) == Decimal(stored)


@pytest.mark.parametrize(
    "value",
    [
        *(-0.0001, 1.0001, float("nan"), float("inf"), True, "0.5"),
        *(Decimal("Infinity"), Decimal("NaN"), Decimal("sNaN")),
    ],
)
def test_what_is_none_is_refused(value: object) -> None:
    with pytest.raises(ValueRefused, match="a number from 0 to 1"):
        Fraction().process_bind_param(value, DIALECT)


def test_nothing_stays_nothing() -> None:
    assert Fraction().process_bind_param(None, DIALECT) is None
