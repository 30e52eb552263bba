from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select

from andamios_orm.exceptions import ConfigurationError
from andamios_orm.testing.database import TestDatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db]

METADATA = MetaData()
THINGS = Table("things", METADATA, Column("id", Integer, primary_key=True, autoincrement=False))


@pytest.mark.slow
async def test_each_setup_begins_without_rows() -> None:
    manager = TestDatabaseManager("gw7", metadata=METADATA)
    for _ in range(2):
        await manager.setup()
        async with manager.session() as session:
            await session.execute(insert(THINGS), [{"id": 1}])
            await session.commit()
            assert await session.scalar(select(func.count()).select_from(THINGS)) == 1
    path = manager.db_path
    assert path.name == "gw7.duckdb"
    assert path.exists()

    await manager.teardown()

    assert not path.parent.exists()


async def test_it_is_a_block_too() -> None:
    async with TestDatabaseManager() as manager:
        assert manager.worker_id == "main"
        assert manager.database.settings.safe_url.endswith("main.duckdb")


async def test_without_setup_it_says_what_to_do() -> None:
    manager = TestDatabaseManager()

    with pytest.raises(ConfigurationError, match=r"await setup\(\) first"):
        async with manager.session():
            pass


def test_pytest_takes_it_for_no_test() -> None:
    assert TestDatabaseManager.__test__ is False
