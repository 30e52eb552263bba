"""Values that are the same, however a database or its driver writes them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import types

from andamios_orm.maintenance.contents import Content, plain_form

pytestmark = pytest.mark.unit

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ANY = types.LargeBinary()


def content(
    *values: Any, type_: Any = ANY, is_document: bool = False, is_single: bool = False
) -> Content:
    found = Content()
    form = plain_form(type_, is_document=is_document, is_single=is_single)
    found.add([(value,) for value in values], [form])
    return found


@pytest.mark.parametrize(
    ("one", "other", "options"),
    [
        (b"a", memoryview(b"a"), {}),
        (NOON, NOON.astimezone(dt.timezone(dt.timedelta(hours=2))), {}),
        (Decimal("1.50"), Decimal("1.5"), {}),
        (Decimal("100.00"), 100, {}),
        ([Decimal(1), b"x"], (1, bytearray(b"x")), {}),
        ({"a": 1, "b": [2]}, {"b": (2,), "a": Decimal(1)}, {}),
        (0.1, 0.10000000149011612, {"type_": types.Float(), "is_single": True}),
        ('{"a": 1.0, "b": 1.50}', '{"b":1.5,"a":1}', {"is_document": True}),
        (str(2**80), str(2**80), {"is_document": True}),
    ],
)
def test_what_is_the_same_has_one_content(one: Any, other: Any, options: dict[str, Any]) -> None:
    assert content(one, None, **options) == content(None, other, **options)


@pytest.mark.parametrize(
    ("one", "other", "options"),
    [
        (Decimal("1.5"), "1.5", {}),
        (Decimal("NaN"), Decimal("Infinity"), {}),
        (0.1, 0.10000000149011612, {"type_": types.Double()}),
        (NOON, NOON.replace(tzinfo=None), {}),
        ("1.5", '"1.5"', {"is_document": True, "type_": types.Text()}),
        ("[1]", "[2]", {"is_document": True}),
        (None, "None", {}),
        (True, 1, {"type_": types.Boolean()}),
    ],
)
def test_what_differs_has_another_content(one: Any, other: Any, options: dict[str, Any]) -> None:
    assert content(one, **options) != content(other, **options)


def test_rows_count_as_often_as_they_are_there() -> None:
    assert content(b"a", b"a", b"b") == content(b"b", b"a", b"a")
    assert content(b"a", b"b", b"b") != content(b"a", b"a", b"b")
    assert content(b"a", b"a") != Content()
