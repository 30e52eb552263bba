from __future__ import annotations

import decimal
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from andamios_orm.dialect import driver

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Watcher:
    """A finder that finds nothing, and counts who asks for pandas."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.asked = 0

    def find_spec(self, name: str, *_: Any) -> None:
        """Count."""
        self.asked += name == "pandas"


@pytest.fixture
def raw() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a plain connection."""
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> Watcher:
    """Watch the imports of a process in which pandas has not been imported."""
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    watcher = Watcher()
    monkeypatch.setattr(sys, "meta_path", [watcher, *sys.meta_path])
    return watcher


def test_values_are_sent_without_a_search_for_pandas(
    raw: duckdb.DuckDBPyConnection, watcher: Watcher
) -> None:
    rows = driver.execute(raw, "SELECT $1, $2, $3", [1, "a", [1, 2]]).fetchall()
    raw.execute("CREATE TABLE t (n INTEGER)")
    driver.executemany(raw, "INSERT INTO t VALUES ($1)", [[1], [2]])

    assert rows == [(1, "a", [1, 2])]
    assert watcher.asked == 0
    assert raw.execute("SELECT n FROM t").fetchall() == [(1,), (2,)]


def test_a_plain_call_of_the_driver_searches_for_each_value(
    raw: duckdb.DuckDBPyConnection, watcher: Watcher
) -> None:
    raw.execute("SELECT $1", [1])

    assert watcher.asked > 0  # when this fails, DuckDB has changed and the module can go


def test_other_imports_of_the_driver_go_their_way(raw: duckdb.DuckDBPyConnection) -> None:
    (value,) = driver.execute(raw, "SELECT DECIMAL '1.5' + $1", [1]).fetchone()

    assert value == decimal.Decimal("2.5")


def test_pandas_is_looked_at_where_it_was_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    there = ModuleType("pandas")
    monkeypatch.setitem(sys.modules, "pandas", there)

    assert driver._import("pandas") is there
