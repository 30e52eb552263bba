"""The unread part of a result: it can be kept, abandoned, or lost with its transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from andamios_orm.dialect.calls import Rows
from andamios_orm.exceptions import TransactionAborted

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.unit, pytest.mark.db]


@pytest.fixture
def raw() -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection with a result of four rows to read."""
    with duckdb.connect() as connection:
        yield connection.execute("SELECT * FROM range(4)")


def test_rows_are_read_from_the_connection_in_turn(raw: duckdb.DuckDBPyConnection) -> None:
    rows = Rows()

    assert rows.take(raw, 3) == [(0,), (1,), (2,)]
    assert rows.take(raw, 3) == [(3,)]


def test_rows_that_were_kept_need_no_connection(raw: duckdb.DuckDBPyConnection) -> None:
    rows = Rows()
    rows.take(raw, 1)
    rows.keep(raw)
    raw.execute("SELECT 'another result'")

    assert rows.take(raw, 2) == [(1,), (2,)]
    assert rows.take(None, 2) == [(3,)]
    assert rows.take(None, 2) == []


def test_rows_that_nobody_will_read_are_not_kept(raw: duckdb.DuckDBPyConnection) -> None:
    rows = Rows()
    rows.abandoned = True
    rows.keep(raw)

    assert rows.take(None, 9) == []
    assert raw.fetchall() == [(0,), (1,), (2,), (3,)]


@pytest.mark.slow
def test_rows_that_could_not_all_be_kept_are_lost(raw: duckdb.DuckDBPyConnection) -> None:
    rows = Rows()
    last = 5_000_000
    raw.execute(f"SELECT if(i < {last}, i, error('no')) FROM range({last + 1}) AS numbers(i)")
    rows.take(raw, 1)

    with pytest.raises(duckdb.Error):
        rows.keep(raw)
    with pytest.raises(TransactionAborted):
        rows.take(raw, 1)


def test_rows_are_lost_with_their_connection() -> None:
    with pytest.raises(TransactionAborted):
        Rows().take(None, 1)


def test_rows_are_lost_with_their_transaction(raw: duckdb.DuckDBPyConnection) -> None:
    rows = Rows()
    rows.end()

    with pytest.raises(TransactionAborted):
        rows.take(raw, 1)
