"""Values that a sequence has given in a row."""

import pytest
from sqlalchemy import BigInteger, Column, Identity, MetaData, Sequence, Table

from andamios_orm import Database
from andamios_orm.bulk.generated import take_range
from andamios_orm.exceptions import WriteConflict

pytestmark = [pytest.mark.integration, pytest.mark.db]

METADATA = MetaData()
ONE_BY_ONE = Table("ones", METADATA, Column("id", BigInteger, Identity(), primary_key=True))
IN_STEPS = Table(
    "steps",
    METADATA,
    Column("id", BigInteger, Sequence("steps_in_twos", increment=2), primary_key=True),
)


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return METADATA


async def test_ranges_follow_one_another(database: Database) -> None:
    async with database.transaction(write=True) as session:
        connection = await session.connection()

        assert await take_range(connection, ONE_BY_ONE.c.id, 1_000) == range(1, 1_001)
        assert await take_range(connection, ONE_BY_ONE.c.id, 0) == range(0)
        assert await take_range(connection, ONE_BY_ONE.c.id, 1) == range(1_001, 1_002)


async def test_values_that_are_not_in_a_row_are_refused(database: Database) -> None:
    async with database.transaction(write=True) as session:
        connection = await session.connection()

        with pytest.raises(WriteConflict, match=r"steps\.id gave no 3 values in a row"):
            await take_range(connection, IN_STEPS.c.id, 3)
