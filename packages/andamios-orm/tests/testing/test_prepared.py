from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import Column, Integer, MetaData, Sequence, Table, create_engine, insert, select

from andamios_orm.testing.prepared import PreparedDatabases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from andamios_orm.testing.databases import PostgresDatabases

pytestmark = [pytest.mark.integration, pytest.mark.db]

METADATA = MetaData()
NUMBERS = Sequence("numbers", metadata=METADATA)
THINGS = Table("things", METADATA, Column("id", Integer, NUMBERS, primary_key=True))


@pytest.fixture
def prepared(
    tmp_path: Path, andamios_postgres_databases: PostgresDatabases
) -> Iterator[PreparedDatabases]:
    """Yield what lends databases, with none made yet."""
    prepared = PreparedDatabases(tmp_path, lambda: andamios_postgres_databases)
    yield prepared
    prepared.close()


def add_one(url: str) -> list[int]:
    """Add a thing, and return the keys of all."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(insert(THINGS))
        keys = list(connection.scalars(select(THINGS.c.id)))
    engine.dispose()
    return keys


def run_in(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.mark.slow
def test_each_loan_of_a_file_is_an_empty_copy(prepared: PreparedDatabases, tmp_path: Path) -> None:
    with prepared.duckdb(METADATA) as first, prepared.duckdb(METADATA) as second:
        assert first != second
        assert (add_one(first), add_one(second)) == ([1], [1])

    (template,) = tmp_path.iterdir()
    assert template.stat().st_size < 4_000_000


@pytest.mark.slow
def test_a_database_comes_back_without_rows_and_counts_from_one(
    prepared: PreparedDatabases,
) -> None:
    with prepared.postgresql(METADATA) as first:
        assert (add_one(first), add_one(first)) == ([1], [1, 2])
    with prepared.postgresql(METADATA) as second:
        assert second == first
        assert add_one(second) == [1]


@pytest.mark.slow
def test_two_at_a_time_are_two(prepared: PreparedDatabases) -> None:
    with prepared.postgresql(METADATA) as first, prepared.postgresql(METADATA) as second:
        assert first != second
    with prepared.postgresql(MetaData()) as third:
        assert third not in {first, second}


@pytest.mark.slow
def test_tables_that_a_test_has_made_are_dropped(prepared: PreparedDatabases) -> None:
    with prepared.postgresql(METADATA) as first:
        run_in(first, "CREATE TABLE stranger (id serial)")
    with prepared.postgresql(METADATA) as second:
        assert second == first
        with pytest.raises(psycopg.errors.UndefinedTable):
            run_in(second, "SELECT * FROM stranger")


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE things ADD COLUMN name text",
        "CREATE SCHEMA other",
        "CREATE TYPE mood AS ENUM ('good')",
        "DROP TABLE things",
    ],
)
@pytest.mark.slow
def test_one_that_cannot_be_mended_is_not_lent_again(
    prepared: PreparedDatabases, change: str
) -> None:
    with prepared.postgresql(METADATA) as first:
        run_in(first, change)
    with prepared.postgresql(METADATA) as second:
        assert second != first


@pytest.mark.slow
def test_one_whose_rows_cannot_be_removed_is_not_lent_again(prepared: PreparedDatabases) -> None:
    with prepared.postgresql(METADATA) as first:
        run_in(
            first,
            "DO $$ BEGIN EXECUTE 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()'; END $$",
        )
    with prepared.postgresql(METADATA) as second:
        assert second != first


@pytest.mark.slow
def test_whoever_is_still_connected_is_thrown_out(prepared: PreparedDatabases) -> None:
    with prepared.postgresql(METADATA) as url:
        forgotten = psycopg.connect(url.replace("+psycopg", "", 1))
        forgotten.execute("INSERT INTO things VALUES (7)")
    with pytest.raises(psycopg.OperationalError):
        forgotten.execute("SELECT 1")
    forgotten.close()
    with prepared.postgresql(METADATA) as again:
        assert again == url
        assert add_one(again) == [1]
