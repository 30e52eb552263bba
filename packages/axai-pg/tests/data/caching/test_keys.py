"""Keys tell arguments apart, whatever their types."""

from __future__ import annotations

import datetime as dt
import enum
import itertools
import uuid
from decimal import Decimal

import pytest

from andamios_orm.exceptions import QueryRefused
from axai_pg.data.caching.keys import cache_key

pytestmark = pytest.mark.unit


class Colour(enum.Enum):
    """A colour."""

    RED = 1


class Size(enum.IntEnum):
    """A size that is a number as well."""

    SMALL = 1


KEY = uuid.UUID(int=7)
DIFFERENT = [
    None,
    "None",
    1,
    "1",
    1.0,
    True,
    Decimal(1),
    b"1",
    Colour.RED,
    Size.SMALL,
    KEY,
    str(KEY),
    f"UUID({KEY})",
    dt.date(2026, 1, 2),
    dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
    "2026-01-02",
    [1, 2],
    (1, 2),
    [1, [2]],
    ["1,2"],
    {1, 2},
    {"a": 1},
    {"a": "1"},
    [],
    "",
]


def test_no_two_arguments_have_the_same_key() -> None:
    keys = [cache_key("x", value) for value in DIFFERENT]

    assert [(a, b) for a, b in itertools.combinations(keys, 2) if a == b] == []


def test_an_argument_cannot_pretend_to_be_two() -> None:
    assert cache_key("x", "a,'b'") != cache_key("x", "a", "b")
    assert cache_key("x", a=1) != cache_key("x", "a=1")


def test_enumerations_of_the_same_name_are_told_apart_by_their_modules() -> None:
    class Other(enum.Enum):
        RED = 1

    Other.__qualname__, Other.__module__ = Colour.__qualname__, "elsewhere"

    assert cache_key("x", Colour.RED) != cache_key("x", Other.RED)


def test_the_order_of_what_has_none_does_not_matter() -> None:
    assert cache_key("x", a=1, b=2) == cache_key("x", b=2, a=1)
    assert cache_key("x", {"a": 1, "b": 2}) == cache_key("x", {"b": 2, "a": 1})


def test_long_arguments_are_hashed_and_the_name_stays() -> None:
    first, second = cache_key("x", "a" * 10_000), cache_key("x", "a" * 9_999)

    assert first.startswith("x:#")
    assert first != second
    assert len(first) < 50


def test_what_cannot_be_told_from_others_is_refused() -> None:
    with pytest.raises(QueryRefused, match="a object cannot be told"):
        cache_key("x", [object()])
