from __future__ import annotations

import datetime as dt
import math
import uuid
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andamios_orm.dialect.moments import Dates, Instants, Intervals, Times, Timestamps
from andamios_orm.dialect.values import (
    Admission,
    Binary,
    Decimals,
    Floats,
    Identifiers,
    Lists,
    Maps,
    Rendered,
    Structs,
    Text,
    Unions,
    WholeNumbers,
    plain_sequence,
    refuse_surrogates,
)
from andamios_orm.exceptions import ValueRefused

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.unit

INTEGER = WholeNumbers("INTEGER", -(2**31), 2**31 - 1)
UHUGEINT = WholeNumbers("UHUGEINT", 0, 2**128 - 1)
ANY_SIZE = WholeNumbers("BIGNUM", None, None)
MONEY = Decimals(10, 2)
NAIVE = dt.datetime(2020, 1, 2, 3, 4, 5, 678)  # noqa: DTZ001
AWARE = NAIVE.replace(tzinfo=dt.UTC)
MADRID = NAIVE.replace(tzinfo=dt.timezone(dt.timedelta(hours=1)))


class Nanoseconds(dt.datetime):
    """A datetime with nanoseconds, as pandas has."""

    nanosecond = 5


class Day(dt.date):
    """A date of one's own."""


REFUSED = [
    (INTEGER, 1.9, "round it first"),
    (INTEGER, Decimal("1.5"), "round it first"),
    (INTEGER, math.nan, "round it first"),
    (INTEGER, math.inf, "round it first"),
    (INTEGER, " 7 ", "pass an int"),
    (INTEGER, b"7", "pass an int"),
    (INTEGER, 2**31, "INTEGER holds -2147483648 to 2147483647"),
    (INTEGER, 1e300, "INTEGER holds"),
    (UHUGEINT, -1, "UHUGEINT holds 0 to"),
    (MONEY, Decimal("1.005"), r"DECIMAL\(10,2\) would round it"),
    (MONEY, 1.005, "would round it"),
    (MONEY, Decimal("NaN"), "cannot hold it"),
    (MONEY, Decimal("Infinity"), "cannot hold it"),
    (MONEY, math.nan, "cannot hold it"),
    (MONEY, 10**8, "cannot hold it"),
    (MONEY, "1.5", "pass a Decimal"),
    (Floats(), "1.5", "pass a float"),
    (Floats(), 10**400, "larger than any DOUBLE"),
    (Text(), 5, "pass a str"),
    (Text(), b"ab", "pass a str"),
    (Text(), "a\ud800", "half a surrogate pair"),
    (Text(3), "abcd", "4 characters, the column holds 3"),
    (Binary(), "ab", "encode it first"),
    (Identifiers(), 5, r"pass a uuid\.UUID"),
    (Dates(), "2020-01-01", r"pass a datetime\.date"),
    (Dates(), AWARE, "depends on the time zone"),
    (Times(aware=False), "01:02", r"pass a datetime\.time"),
    (Times(aware=False), dt.time(1, tzinfo=dt.UTC), "would drop this one"),
    (Times(aware=True), dt.time(1), "needs a time zone"),
    (Timestamps(), AWARE, "shift it to the session's"),
    (Timestamps(), "infinity", r"pass a datetime\.datetime"),
    (Timestamps(), Nanoseconds(2020, 1, 1), "nanoseconds would be cut"),
    (Timestamps(tick=1000), NAIVE, "finer than the column"),
    (Instants(), NAIVE, "needs a time zone"),
    (Instants(), dt.date(2020, 1, 1), r"pass a datetime\.datetime"),
    (Instants(), dt.datetime.min.replace(tzinfo=MADRID.tzinfo), "outside the years"),
    (Intervals(), 5, r"pass a datetime\.timedelta"),
    (Lists(INTEGER), [1, 1.5], "round it first"),
    (Lists(INTEGER, 2), [[1], [1.5]], "round it first"),
    (Lists(INTEGER), [[1]], "whole number"),
    (Lists(INTEGER), 5, "pass a list"),
    (Maps(Text(1), INTEGER), {"key": ["ab"], "value": [1]}, "the column holds 1"),
    (Maps(Text(), INTEGER), {"key": ["ab"], "value": [1.5]}, "round it first"),
    (Structs([INTEGER]), {"a": 1.5}, "round it first"),
    (Unions([INTEGER, Text(2)]), "abc", "no member of the UNION"),
]

LET_IN = [
    (Admission(), object, object),
    (INTEGER, 5, 5),
    (INTEGER, None, None),
    (INTEGER, True, 1),
    (INTEGER, 2.0, 2),
    (INTEGER, Fraction(4, 2), 2),
    (INTEGER, Decimal("7.0"), 7),
    (ANY_SIZE, 2**120, 2**120),
    (ANY_SIZE, Rendered("5"), Rendered("5")),
    (MONEY, None, None),
    (MONEY, Decimal("1.5"), Decimal("1.50")),
    (MONEY, type("Own", (Decimal,), {})("1.5"), Decimal("1.50")),
    (MONEY, 7, Decimal("7.00")),
    (MONEY, Fraction(1, 4), Decimal("0.25")),
    (MONEY, 0.1 + 0.2, Decimal("0.30")),
    (Floats(), None, None),
    (Floats(), 1.5, 1.5),
    (Floats(), 3, 3.0),
    (Floats(), Decimal("0.1"), 0.1),
    (Text(), None, None),
    (Text(2), "é\0", "é\0"),
    (Binary(), None, None),
    (Binary(), b"ab", b"ab"),
    (Binary(), memoryview(b"ab"), b"ab"),
    (Identifiers(), None, None),
    (Identifiers(), uuid.UUID(int=1), uuid.UUID(int=1)),
    (Dates(), None, None),
    (Dates(), Day(2020, 1, 2), dt.date(2020, 1, 2)),
    (Dates(), NAIVE, dt.date(2020, 1, 2)),
    (Times(aware=False), None, None),
    (Times(aware=False), dt.time(1), dt.time(1)),
    (Times(aware=True), Rendered("01:00+00:00"), Rendered("01:00+00:00")),
    (Timestamps(), None, None),
    (Timestamps(), dt.date(2020, 1, 2), dt.datetime(2020, 1, 2)),  # noqa: DTZ001
    (Timestamps(tick=1000), NAIVE.replace(microsecond=4000), NAIVE.replace(microsecond=4000)),
    (Instants(), None, None),
    (Instants(), AWARE, AWARE),
    (Instants(), MADRID, MADRID.astimezone(dt.UTC)),
    (Intervals(), None, None),
    (Intervals(), dt.timedelta(1), dt.timedelta(1)),
    (Lists(INTEGER), None, None),
    (Lists(INTEGER), (1, 2.0, None), [1, 2, None]),
    (Lists(INTEGER, 2), [[1.0], None], [[1], None]),
    (Lists(INTEGER, 2), [[1.0], None], [[1], None]),
    (Lists(UHUGEINT), [1, 2**127], [1, str(2**127)]),
    (Maps(Text(), INTEGER), None, None),
    (Maps(Text(), INTEGER), {"key": ["a"], "value": [1.0]}, {"key": ["a"], "value": [1]}),
    (Structs([INTEGER, Text()]), None, None),
    (Structs([INTEGER, Text()]), {"a": 1.0, "b": "x"}, {"a": 1, "b": "x"}),
    (Unions([INTEGER, Text()]), "x", "x"),
]


@pytest.mark.parametrize(("admission", "value", "reason"), REFUSED)
def test_what_would_change_is_refused(admission: Admission, value: Any, reason: str) -> None:
    with pytest.raises(ValueRefused, match=reason) as refused:
        admission.one(value)

    assert refused.value.column is None


@pytest.mark.parametrize(("admission", "value", "reason"), REFUSED)
def test_what_would_change_is_refused_among_others(
    admission: Admission, value: Any, reason: str
) -> None:
    with pytest.raises(ValueRefused, match=reason):
        admission.many([None, value])


@pytest.mark.parametrize(("admission", "value", "sent"), LET_IN)
def test_what_keeps_its_value_is_sent(admission: Admission, value: Any, sent: Any) -> None:
    found = admission.one(value)

    assert found == sent
    assert type(found) in {type(sent), type(value)}


@pytest.mark.parametrize(("admission", "value", "sent"), LET_IN)
def test_what_keeps_its_value_is_sent_among_others(
    admission: Admission, value: Any, sent: Any
) -> None:
    found = admission.many([value, None])

    assert list(found) == [sent, None]


@pytest.mark.parametrize(
    ("admission", "values"),
    [
        (INTEGER, [1, 2, None]),
        (INTEGER, []),
        (ANY_SIZE, [2**126, None]),
        (Floats(), [0.5, None, math.inf]),
        (Text(2), ["a", "é", None]),
        (Text(), []),
        (Dates(), [dt.date(2020, 1, 1), None]),
        (Timestamps(), [NAIVE, None]),
        (Instants(), [AWARE, None]),
    ],
)
def test_a_column_of_the_plain_type_is_sent_as_it_is(
    admission: Admission, values: list[Any]
) -> None:
    assert admission.many(values) is values


def test_integers_beyond_the_driver_are_text_in_lists() -> None:
    assert ANY_SIZE.one(2**300) == 2**300
    sent = ANY_SIZE.many([2**300, 1])

    assert sent == [str(2**300), 1]
    assert ANY_SIZE.many(sent) == sent


def test_nan_is_a_decimal_in_lists_for_the_driver_makes_it_null() -> None:
    sent = Floats().many([math.nan, 1, None])

    assert [type(value) for value in sent] == [Decimal, float, type(None)]


def test_infinities_of_both_signs_are_no_nan() -> None:
    values = [math.inf, -math.inf]

    assert list(Floats().many(values)) == values


@pytest.mark.parametrize("value", ["ab", b"ab", {1: 2}, {1, 2}, 5, None])
def test_what_has_no_order_or_is_text_is_no_list(value: Any) -> None:
    with pytest.raises(ValueRefused, match="pass a list"):
        plain_sequence(value)


def test_any_other_iterable_is_a_list() -> None:
    assert plain_sequence(range(3)) == [0, 1, 2]


@pytest.mark.parametrize(
    "parameters", [["\udfff"], [{"a": ["x", "\ud800"]}], [{"\ud800": 1}], [("é", "\ud800")]]
)
def test_half_a_surrogate_pair_is_found_at_any_depth(parameters: list[Any]) -> None:
    with pytest.raises(ValueRefused, match="half a surrogate pair"):
        refuse_surrogates(parameters)


def test_parameters_with_a_utf8_form_pass() -> None:
    refuse_surrogates(["a", "😀", 5, None, {"b": ["c"]}])


def test_a_decimal_column_keeps_or_refuses_every_number(
    rounds: Callable[[int, int, int], int],
) -> None:
    @settings(max_examples=rounds(50, 500, 20_000), deadline=None, database=None)
    @given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
    def check(number: Decimal) -> None:
        try:
            sent = MONEY.one(number)
        except ValueRefused:
            assert abs(number) >= 10**8 or number != round(number, 2)
        else:
            assert sent == number
            assert sent.as_tuple().exponent == -2

    check()


def test_an_integer_column_keeps_or_refuses_every_float(
    rounds: Callable[[int, int, int], int],
) -> None:
    @settings(max_examples=rounds(50, 500, 20_000), deadline=None, database=None)
    @given(st.floats() | st.integers(-(2**33), 2**33).map(float))
    def check(number: float) -> None:
        try:
            sent = INTEGER.one(number)
        except ValueRefused:
            assert not number.is_integer() or abs(number) >= 2**31 - 1
        else:
            assert sent == number
            assert type(sent) is int

    check()
