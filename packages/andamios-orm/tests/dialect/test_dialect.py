"""What the two dialects pass on from an execution to the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def engine(andamios_memory_url: str) -> Iterator[Engine]:
    """Yield an engine on an empty database."""
    engine = create_engine(andamios_memory_url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(("options", "expected"), [({}, 1), ({"arraysize": 2}, 2)])
@pytest.mark.slow
def test_fetchmany_returns_as_many_rows_as_arraysize_says(
    engine: Engine, options: dict[str, int], expected: int
) -> None:
    with engine.connect() as connection:
        result = connection.execute(text("FROM range(5)"), execution_options=options)

        rows = result.fetchmany()

    assert len(rows) == expected


@pytest.mark.slow
def test_a_statement_without_parameters_is_sent_as_it_is(engine: Engine) -> None:
    with engine.connect() as connection:
        result = connection.exec_driver_sql(
            "SELECT 5 % 3, '100%'", execution_options={"no_parameters": True}
        )

        rows = result.all()

    assert [tuple(row) for row in rows] == [(2, "100%")]
