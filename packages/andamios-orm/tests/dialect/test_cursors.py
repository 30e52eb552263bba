"""Cursors: rows of a stream come in batches and are handed out as they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from andamios_orm.dialect.adapter import BlockingConnection
from andamios_orm.dialect.database import DuckDBDatabase
from andamios_orm.dialect.gate import WaitGraph
from andamios_orm.dialect.options import parse_options

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def database() -> Iterator[DuckDBDatabase]:
    """Yield a database in memory that no registry knows of."""
    database = DuckDBDatabase(None, "", parse_options({}), WaitGraph(), when_unused=lambda _: None)
    yield database
    database.close()


def test_rows_of_a_stream_are_fetched_one_by_one(database: DuckDBDatabase) -> None:
    connection = BlockingConnection(database, database.options)
    cursor = connection.cursor(server_side=True)
    cursor.batch = 2
    cursor.execute("SELECT * FROM range(5)")

    found = [cursor.fetchone() for _ in range(6)]

    assert found == [(0,), (1,), (2,), (3,), (4,), None]
    connection.close()
