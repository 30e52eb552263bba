import pytest
from sqlalchemy import MetaData, inspect, text
from sqlalchemy.orm import DeclarativeBase

from andamios_orm import Database
from andamios_orm.models import Row
from andamios_orm.models.feed import CHANGES, FOLLOWERS, HISTORY, feed_tables

pytestmark = [pytest.mark.integration, pytest.mark.db]


def test_the_tables_are_made_once() -> None:
    metadata = MetaData()

    tables = feed_tables(metadata)

    assert feed_tables(metadata) is tables
    assert set(metadata.tables) == {CHANGES, HISTORY, FOLLOWERS}


def test_a_base_has_a_feed_unless_it_says_no() -> None:
    class WithFeed(Row, DeclarativeBase):
        pass

    class WithoutFeed(Row, DeclarativeBase):
        __feed__ = False

    assert CHANGES in WithFeed.metadata.tables
    assert not WithoutFeed.metadata.tables


@pytest.mark.slow
@pytest.mark.parametrize("system", ["duckdb", "postgres"])
async def test_alembic_sees_no_difference(request: pytest.FixtureRequest, system: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    metadata = MetaData()
    feed_tables(metadata)
    url = request.getfixturevalue(f"andamios_{system}_url")
    async with Database(url) as database, database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        found = await connection.run_sync(
            lambda inner: compare_metadata(
                MigrationContext.configure(inner, opts={"compare_type": True}), metadata
            )
        )

    assert found == []


@pytest.mark.slow
async def test_only_postgresql_has_an_index_on_positions(
    duckdb_url: str, postgres_url: str
) -> None:
    metadata = MetaData()
    feed_tables(metadata)
    async with Database(duckdb_url) as database, database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        constraints = await connection.execute(
            text(
                "SELECT table_name FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY'"
            )
        )
        assert set(constraints.scalars()) == {FOLLOWERS}
    async with Database(postgres_url) as database, database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        key = await connection.run_sync(lambda inner: inspect(inner).get_pk_constraint(HISTORY))

    assert key["constrained_columns"] == ["entity", "key", "position"]
