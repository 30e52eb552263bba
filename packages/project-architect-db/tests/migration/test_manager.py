"""The revisions of the package lead to its models, on both databases."""

from __future__ import annotations

from importlib import import_module
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Connection, Integer, MetaData, Table, inspect

from andamios_orm import Database
from andamios_orm.models.feed import feed_tables
from andamios_orm.testing.migrations import every_revision_up_down_up, migrations_match_models
from project_architect_db.migration import MigrationManager
from project_architect_db.models import Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from andamios_orm.testing.prepared import PreparedDatabases

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

EMPTY = MetaData()
REVISIONS = ("r0001_create_tables",)
# Alembic runs the files under names of its own, by which coverage would not know them.
MODULES = [import_module(f"project_architect_db.migration.versions.{name}") for name in REVISIONS]


@pytest.fixture(params=["duckdb", "postgresql"])
async def empty(
    request: pytest.FixtureRequest, andamios_prepared: PreparedDatabases
) -> AsyncIterator[Database]:
    """Yield a database without tables, of each system in turn."""
    with getattr(andamios_prepared, request.param)(EMPTY) as url:
        async with Database(url) as database:
            yield database


def test_every_revision_is_known() -> None:
    manager = MigrationManager(Database("duckdb:///:memory:"))

    assert [each.id for each in manager.history()] == [each.revision for each in MODULES]


@pytest.mark.slow
async def test_the_revisions_lead_to_the_models(empty: Database) -> None:
    await migrations_match_models(MigrationManager(empty, others="drop"))


@pytest.mark.slow
async def test_an_application_may_have_the_tables_of_the_feed_already(empty: Database) -> None:
    metadata = MetaData()
    feed_tables(metadata)
    async with empty.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)

    await MigrationManager(empty).upgrade()

    assert await MigrationManager(empty).check() == ()


@pytest.mark.slow
async def test_tables_of_an_application_are_left_alone(empty: Database) -> None:
    manager = MigrationManager(empty)
    await manager.upgrade()
    async with empty.engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE invoices (id INTEGER)")

    assert await manager.check() == ()


@pytest.mark.slow
async def test_the_feed_of_an_application_outlives_a_downgrade(empty: Database) -> None:
    metadata = MetaData()
    feed_tables(metadata)
    Table("invoices", metadata, Column("id", Integer))
    async with empty.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    manager = MigrationManager(empty, backup="never")
    await manager.upgrade()

    await manager.downgrade("base")

    async with empty.engine.connect() as connection:
        left = await connection.run_sync(lambda inner: inspect(inner).get_table_names())
    assert set(metadata.tables) <= set(left)
    assert "projects" not in left


async def test_a_downgrade_as_sql_leaves_the_feed(empty: Database) -> None:
    output = StringIO()
    context = MigrationContext.configure(
        dialect=empty.engine.dialect, opts={"as_sql": True, "output_buffer": output}
    )
    with Operations.context(context):
        MODULES[0].downgrade()

    assert "DROP TABLE projects;" in output.getvalue()
    assert not any(f"DROP TABLE {name};" in output.getvalue() for name in MODULES[0].FEED)


@pytest.mark.slow
async def test_every_revision_is_undone(empty: Database) -> None:
    await every_revision_up_down_up(MigrationManager(empty, backup="never"))


@pytest.mark.slow
async def test_the_revisions_make_the_indexes_of_the_models(empty: Database) -> None:
    await MigrationManager(empty).upgrade()

    async with empty.engine.connect() as connection:
        found = await connection.run_sync(index_names)
    on_duckdb = empty.engine.dialect.name == "duckdb"
    expected = {
        index.name
        for table in Base.metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["duckdb"]["index"] or not on_duckdb
    }
    assert {name for name in found if name.startswith("idx_")} == expected
    assert ("idx_project_status_created" in expected) is not on_duckdb
    assert "idx_project_name_search" in expected


def index_names(connection: Connection) -> set[str]:
    """Return the names of all indexes."""
    found = inspect(connection)
    tables = Base.metadata.tables
    return {str(index["name"]) for table in tables for index in found.get_indexes(table)}
