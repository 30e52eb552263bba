"""Rows as a cache keeps them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData

from andamios_orm.core.kept import Kept

pytestmark = pytest.mark.unit


class Kind(enum.Enum):
    """Is what it is, with attributes."""

    ONE = {"a": [1]}  # noqa: RUF012 - that is the point


class Document(BaseModel):
    """What a column of ours may hold."""

    tags: list[str]


@dataclass
class Point:
    """What a column of theirs may hold."""

    places: list[int]


def kept(*rows: tuple[Any, ...]) -> Kept:
    names = [f"c{column}" for column in range(len(rows[0]) if rows else 1)]
    return Kept(IteratorResult(SimpleResultMetaData(names), iter(rows)))


def test_an_empty_result_is_kept_as_well() -> None:
    found = kept()

    assert found.result().all() == found.result().all() == []
    assert found.size == 0


@pytest.mark.parametrize(
    "value", [{"a": [1, {"b": None}]}, [[1.5], "x"], Document(tags=["a"]), Point([1]), {1, 2}]
)
def test_what_can_be_changed_is_copied(value: Any) -> None:
    found = kept((1, value), (2, None))

    first, second = ([tuple(row) for row in found.result()] for _ in range(2))

    assert first == second == [(1, value), (2, None)]
    assert first[0][1] is not second[0][1]
    assert first[0][1] is not value


@pytest.mark.parametrize("value", ["text", b"bytes", 10**30, Kind.ONE, None, 1.5])
def test_what_cannot_be_changed_is_not_copied(value: Any) -> None:
    found = kept((value,))

    assert found.result().scalar_one() is found.result().scalar_one() is value


@pytest.mark.parametrize(
    "value", ["x" * 5_000, ["x" * 5_000], {"a": "x" * 5_000}, Document(tags=["x" * 5_000])]
)
def test_sizes_count_what_is_inside(value: Any) -> None:
    assert 5_000 < kept((value, Kind.ONE)).size < 6_500
