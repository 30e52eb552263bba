from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, func

from andamios_orm.core.defaults import with_defaults

pytestmark = pytest.mark.unit


def asks_for_its_connection(context: Any) -> Any:
    return context.connection.execute


TABLE = Table(
    "t",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("scalar", String, default="said"),
    Column("made", String, default=lambda context: context.get_current_parameters()["scalar"] * 2),
    Column("by_the_database", String, default=func.now()),
    Column("by_its_connection", String, default=asks_for_its_connection),
)


def test_python_gives_what_it_can_without_the_database() -> None:
    assert with_defaults(TABLE, {"id": 1}) == {"id": 1, "scalar": "said", "made": "saidsaid"}


def test_what_was_given_stays() -> None:
    given = {"scalar": None, "made": "x", "by_the_database": "y"}

    assert with_defaults(TABLE, given) == given
    assert "by_its_connection" not in given
