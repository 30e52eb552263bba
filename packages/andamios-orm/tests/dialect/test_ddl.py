"""What the dialect leaves out of a schema when it is told so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, Table, create_engine, inspect

from andamios_orm.exceptions import ForeignKeyViolation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def open_engine(andamios_memory_url: str) -> Iterator[Callable[..., Engine]]:
    """Yield what opens an engine on an empty database."""
    engines: list[Engine] = []

    def opened(**options: Any) -> Engine:
        engines.append(create_engine(andamios_memory_url, **options))
        return engines[-1]

    yield opened
    for engine in engines:
        engine.dispose()


def _family(**info: str) -> tuple[MetaData, Table]:
    """Return a schema in which a child refers to its parent, and the child."""
    metadata = MetaData()
    Table("parent", metadata, Column("id", Integer, primary_key=True))
    reference: Column[int] = Column("parent_id", ForeignKey("parent.id"))
    return metadata, Table("child", metadata, reference, info=info)


def _indexed(**options: Any) -> tuple[MetaData, Table]:
    """Return a schema with an index, and its table."""
    metadata = MetaData()
    table = Table("a", metadata, Column("x", Integer))
    Index("by_x", table.c.x, **options)
    return metadata, table


def test_foreign_keys_are_part_of_the_schema_unless_told_otherwise(
    open_engine: Callable[..., Engine],
) -> None:
    engine = open_engine()
    metadata, child = _family()

    metadata.create_all(engine)

    with engine.connect() as connection, pytest.raises(ForeignKeyViolation):
        connection.execute(child.insert(), {"parent_id": 7})
    assert [key["referred_table"] for key in inspect(engine).get_foreign_keys("child")] == [
        "parent"
    ]


def test_an_engine_without_foreign_keys_creates_none(open_engine: Callable[..., Engine]) -> None:
    engine = open_engine(foreign_keys="none")
    metadata, child = _family()

    metadata.create_all(engine)

    with engine.begin() as connection:
        connection.execute(child.insert(), {"parent_id": 7})
    assert inspect(engine).get_foreign_keys("child") == []


def test_a_table_can_do_without_foreign_keys_by_itself(open_engine: Callable[..., Engine]) -> None:
    engine = open_engine()
    metadata, child = _family(duckdb_foreign_keys="none")
    Table("other", metadata, Column("parent_id", ForeignKey("parent.id")))

    metadata.create_all(engine)

    with engine.begin() as connection:
        connection.execute(child.insert(), {"parent_id": 7})
    assert inspect(engine).get_foreign_keys("child") == []
    assert len(inspect(engine).get_foreign_keys("other")) == 1


def test_an_index_is_created_and_dropped(open_engine: Callable[..., Engine]) -> None:
    engine = open_engine()
    metadata, table = _indexed()
    (index,) = table.indexes

    metadata.create_all(engine)
    created = inspect(engine).get_indexes("a")
    index.drop(engine)

    assert [found["name"] for found in created] == ["by_x"]
    assert inspect(engine).get_indexes("a") == []


def test_an_index_that_duckdb_does_without_is_neither_created_nor_dropped(
    open_engine: Callable[..., Engine],
) -> None:
    engine = open_engine()
    metadata, table = _indexed(duckdb_index=False)
    (index,) = table.indexes

    metadata.create_all(engine)
    created = inspect(engine).get_indexes("a")
    index.drop(engine)

    assert created == []
    assert inspect(engine).has_table("a")
