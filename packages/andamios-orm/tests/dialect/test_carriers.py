from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any

import duckdb
import pytest

from andamios_orm.dialect.carriers import carrier

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=dt.UTC)
KEY = uuid.UUID("0190b8f0-7b3f-7c00-8000-000000000001")


def sent(values: list[Any], name: str) -> tuple[str, list[Any]]:
    """Return how values travel, and what DuckDB reads."""
    found = carrier(values, name, list)
    assert found is not None
    sql = found.sql.format(parameter="$1")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        rows = connection.execute(f"SELECT {sql}", [found.pack(values)]).fetchall()
    return "json" if "JSON" in sql else "list", [value for (value,) in rows]


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.parametrize(
    ("values", "name", "way"),
    [
        ([1, -(2**63), 2**63 - 1, None, True.real], "BIGINT", "json"),
        ([2**63, 2**100, None], "HUGEINT", "json"),
        ([0.1, 5e-324, 1.7976931348623157e308, -0.0, None], "DOUBLE", "json"),
        ([1.0, float("inf")], "DOUBLE", "list"),
        (["a\x00b", "ü€😀", 'q"\\/\n', "null", "", None], "VARCHAR", "json"),
        ([True, False, None], "BOOLEAN", "json"),
        ([KEY, None], "UUID", "json"),
        ([decimal.Decimal("1.10"), decimal.Decimal("-9.99")], "DECIMAL(4,2)", "json"),
        ([decimal.Decimal("1E+3")], "DECIMAL(10,2)", "json"),
        ([dt.date(1, 1, 1), dt.date(9999, 12, 31), None], "DATE", "json"),
        ([NOW.replace(tzinfo=None), None], "TIMESTAMP", "json"),
        ([b"\x00\xff", None], "BLOB", "list"),
        ([dt.timedelta(seconds=1.5)], "INTERVAL", "list"),
        ([[1, 2], [], None], "INTEGER[]", "list"),
        ([None, None], "INTEGER", "json"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_values_arrive_as_they_left(values: list[Any], name: str, way: str) -> None:
    travelled, arrived = sent(values, name)

    assert travelled == way
    assert arrived == values


@pytest.mark.integration
@pytest.mark.db
def test_a_moment_arrives_as_the_same_moment() -> None:
    _, [arrived] = sent([NOW.astimezone(dt.timezone(dt.timedelta(hours=5)))], "TIMESTAMPTZ")

    assert arrived == NOW


@pytest.mark.unit
def test_values_of_several_types_cannot_travel_together() -> None:
    assert carrier([1, "a"], "VARCHAR", list) is None


@pytest.mark.unit
def test_text_that_has_no_encoding_is_left_to_the_driver() -> None:
    found = carrier(["\ud800"], "VARCHAR", list)

    assert found is not None
    assert "JSON" not in found.sql
