"""The names of constraints, kept beside DuckDB's catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

import andamios_orm  # noqa: F401 - makes duckdb:// ours
from andamios_orm.dialect.constraint_names import SCHEMA, forget, keep, named
from andamios_orm.dialect.shapes import ConstraintShape, TableShape

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]

KEY = ConstraintShape("PRIMARY KEY", ("id",))
CHECK = ConstraintShape("CHECK", expression="(name <> 'it''s %s :x')")
NAMELESS = TableShape("t", None, (), (KEY, CHECK))
NAMED = replace(NAMELESS, constraints=(replace(KEY, name="pk"), replace(CHECK, name="a 'b' \"c\"")))


@pytest.fixture
def connection(andamios_memory_url: str) -> Iterator[sa.Connection]:
    """Yield a connection to an empty database."""
    engine = sa.create_engine(andamios_memory_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_names_are_kept(connection: sa.Connection) -> None:
    keep(connection, NAMED)
    connection.commit()

    assert named(connection, NAMELESS) == NAMED


def test_names_are_those_of_one_table(connection: sa.Connection) -> None:
    keep(connection, NAMED)
    elsewhere = [replace(NAMELESS, schema="s"), replace(NAMELESS, name="u")]

    keep(connection, replace(NAMED, name="v"))
    forget(connection, replace(NAMED, name="v"))

    assert [named(connection, shape) for shape in elsewhere] == elsewhere
    assert named(connection, NAMELESS) == NAMED


def test_names_take_the_place_of_earlier_ones(connection: sa.Connection) -> None:
    keep(connection, NAMED)
    only_one = replace(NAMELESS, constraints=(replace(KEY, name="other"), CHECK))

    keep(connection, only_one)

    assert named(connection, NAMELESS) == only_one
    assert named(connection, replace(NAMELESS, constraints=(CHECK,))).constraints == (CHECK,)


def test_names_are_forgotten(connection: sa.Connection) -> None:
    keep(connection, NAMED)

    forget(connection, NAMED)

    assert named(connection, NAMELESS) == NAMELESS


def test_without_a_name_there_is_no_table_of_names(connection: sa.Connection) -> None:
    keep(connection, NAMELESS)
    forget(connection, NAMELESS)

    assert named(connection, NAMELESS) == NAMELESS
    assert SCHEMA not in sa.inspect(connection).get_schema_names()


def test_names_are_part_of_the_transaction(connection: sa.Connection) -> None:
    keep(connection, NAMED)
    connection.commit()
    forget(connection, NAMED)
    connection.rollback()

    assert named(connection, NAMELESS) == NAMED
