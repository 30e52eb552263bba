"""What SQLAlchemy's inspector learns of a database, beyond what duckdb-sqlalchemy tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    Column,
    Computed,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    func,
    inspect,
    text,
)
from sqlalchemy.exc import CompileError

from andamios_orm.exceptions import DuplicateKey

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def engine(andamios_memory_url: str) -> Iterator[Engine]:
    """Yield an engine on an empty database that may attach others."""
    engine = create_engine(andamios_memory_url, hardened=False)
    yield engine
    engine.dispose()


def _columns(engine: Engine, table: str, schema: str | None = None) -> dict[str, Any]:
    return {column["name"]: column for column in inspect(engine).get_columns(table, schema)}


def test_get_schema_names_lists_own_schemas_plainly_and_others_with_their_database(
    engine: Engine,
) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE SCHEMA sales"))
        connection.execute(text("ATTACH ':memory:' AS other"))
        connection.execute(text("CREATE SCHEMA other.archive"))

    names = inspect(engine).get_schema_names()

    assert names == ["main", "sales", "other.archive", "other.main"]


def test_get_columns_tells_a_generated_column_from_a_default(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE prices (net INTEGER DEFAULT 7, gross INTEGER AS (net * 2), "
                "title VARCHAR AS (net || ' net'))"
            )
        )

    columns = _columns(engine, "prices")

    assert columns["net"]["default"] == "7"
    assert "computed" not in columns["net"]
    assert columns["gross"]["default"] is None
    assert columns["gross"]["computed"] == {"sqltext": "(net * 2)", "persisted": False}
    assert columns["title"]["computed"]["sqltext"] == "(net || ' net')"


def test_get_columns_finds_generated_columns_in_a_schema_and_in_another_spelling(
    engine: Engine,
) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA sales"))
        connection.execute(text('CREATE TABLE sales."My Prices" (a INTEGER, b INTEGER AS (a + 1))'))
        connection.execute(text("CREATE TABLE plain (a INTEGER DEFAULT 1)"))

    columns = _columns(engine, "my prices", "sales")

    assert columns["b"]["computed"]["sqltext"] == "(a + 1)"
    assert _columns(engine, "plain")["a"]["default"] == "1"


def test_get_columns_reads_the_default_of_a_flag_as_it_was_written(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE a (x BOOLEAN DEFAULT TRUE, y BOOLEAN DEFAULT FALSE)"))

    columns = _columns(engine, "a")

    assert (columns["x"]["default"], columns["y"]["default"]) == ("true", "false")


@pytest.mark.slow
def test_a_generated_column_survives_reflection_and_creation(engine: Engine) -> None:
    metadata = MetaData()
    Table("a", metadata, Column("x", Integer), Column("y", Integer, Computed("x + 1")))
    metadata.create_all(engine)
    reflected = MetaData()
    reflected.reflect(engine)
    metadata.drop_all(engine)

    reflected.create_all(engine)

    with engine.begin() as connection:
        connection.execute(reflected.tables["a"].insert(), {"x": 41})
        assert connection.scalar(text("SELECT y FROM a")) == 42


def test_a_stored_generated_column_is_refused_by_name(engine: Engine) -> None:
    table = Table("a", MetaData(), Column("x", Integer, Computed("1", persisted=True)))

    with pytest.raises(CompileError, match="leave out persisted=True"):
        table.create(engine)


def test_get_indexes_tells_expressions(engine: Engine) -> None:
    metadata = MetaData()
    table = Table("a", metadata, Column("title", String))
    Index("by_lower_title", func.lower(table.c.title))
    metadata.create_all(engine)

    (index,) = inspect(engine).get_indexes("a")

    assert index["column_names"] == [None]
    assert index["expressions"] == ["(lower(title))"]
    assert index["dialect_options"] == {}


def test_a_unique_index_with_a_condition_survives_reflection_and_creation(engine: Engine) -> None:
    metadata = MetaData()
    table = Table("a", metadata, Column("x", Integer), Column("y", Integer))
    Index("by_x", table.c.x, unique=True, duckdb_where=table.c.y.is_(None))
    metadata.create_all(engine)
    reflected = MetaData()
    reflected.reflect(engine)
    metadata.drop_all(engine)

    reflected.create_all(engine)

    (index,) = inspect(engine).get_indexes("a")
    assert index["column_names"] == ["x"]
    assert index["dialect_options"] == {"duckdb_where": "(y IS NULL)"}
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO a VALUES (1, 1), (1, 2), (1, NULL)"))
    with pytest.raises(DuplicateKey) as caught, engine.begin() as connection:
        connection.execute(text("INSERT INTO a VALUES (1, NULL)"))
    assert (caught.value.columns, caught.value.value) == (("x",), "1")


def test_a_cast_that_is_spelled_unlike_the_column_s_type_is_kept(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE a (x INTEGER, y DECIMAL(5, 2) AS (x))"))

    computed = _columns(engine, "a")["y"]["computed"]

    assert computed["sqltext"] == "CAST(x AS DECIMAL(5, 2))"
