"""How often the loop waits for a thread: the cost that decides how fast the async dialect is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import ForeignKey, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Session
from andamios_orm.models import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncEngine
    from tests.dialect.conftest import Hops, Lab

pytestmark = [pytest.mark.performance, pytest.mark.db, pytest.mark.sampled(2)]


class Base(DeclarativeBase):
    """The tables of these tests."""


class Thing(Base):
    """A row."""

    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
async def engine(lab: Lab) -> AsyncEngine:
    """Return an engine with a table of 1,000 rows."""
    async with lab.engine().begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(
            insert(Thing), [{"id": number, "name": "x"} for number in range(1000)]
        )
    return lab.engine()


@pytest.fixture
async def hops(engine: AsyncEngine, count_hops: Callable[[AsyncEngine], Hops]) -> Hops:
    """Return a counter for the engine, which has connected before."""
    hops = count_hops(engine)
    async with AsyncSession(engine) as session:
        await session.get_one(Thing, 1)
    return hops


async def test_connect_select_close_takes_one(engine: AsyncEngine, hops: Hops) -> None:
    with hops:
        async with engine.connect() as connection:
            assert len((await connection.execute(select(Thing))).all()) == 1000

    assert hops.taken <= 1


async def test_get_in_a_new_session_takes_one(engine: AsyncEngine, hops: Hops) -> None:
    with hops:
        async with AsyncSession(engine) as session:
            await session.get_one(Thing, 1)

    assert hops.taken <= 1


async def test_get_and_commit_takes_one(engine: AsyncEngine, hops: Hops) -> None:
    with hops:
        async with AsyncSession(engine) as session, session.begin():
            await session.get_one(Thing, 1)

    assert hops.taken <= 1


async def test_get_update_commit_takes_three(engine: AsyncEngine, hops: Hops) -> None:
    with hops:
        async with AsyncSession(engine) as session, session.begin():
            (await session.get_one(Thing, 1)).name = "y"

    assert hops.taken <= 3


async def test_a_stale_get_update_commit_takes_three_too(engine: AsyncEngine, hops: Hops) -> None:
    async with AsyncSession(engine) as session:
        thing = await session.get_one(Thing, 1)
        async with AsyncSession(engine) as other, other.begin():
            (await other.get_one(Thing, 2)).name = "z"
        with hops:
            thing.name = "y"
            await session.commit()

    assert hops.taken <= 2


async def test_insert_commit_takes_two(engine: AsyncEngine, hops: Hops) -> None:
    with hops:
        async with AsyncSession(engine) as session, session.begin():
            session.add(Thing(id=5000, name="new"))

    assert hops.taken <= 2


async def test_a_core_insert_in_autocommit_takes_one(engine: AsyncEngine, hops: Hops) -> None:
    with hops:
        door = engine.execution_options(isolation_level="AUTOCOMMIT")
        async with door.connect() as connection:
            await connection.execute(insert(Thing), {"id": 5000, "name": "new"})

    assert hops.taken <= 1


@pytest.mark.parametrize("last", [1, 3])
async def test_what_runs_at_commit_takes_none(engine: AsyncEngine, hops: Hops, last: int) -> None:
    seen: list[Any] = []
    one = select(Thing.name).where(Thing.id == 5000)

    with hops:
        async with engine.begin() as connection:
            await connection.execute(insert(Thing), {"id": 5000, "name": "new"})
            for _ in range(last):
                await connection.execute(one, execution_options={"at_commit": seen.append})

    assert hops.taken <= 2
    assert seen == [[("new",)]] * last


class CheckedBase(Row, DeclarativeBase):
    """Tables whose keys the library checks."""

    __feed__ = False


class Parent(CheckedBase):
    """A row that others refer to."""

    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Child(CheckedBase):
    """A row with two keys."""

    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("parents.id"))
    other_id: Mapped[int | None] = mapped_column(ForeignKey("parents.id"))


@pytest.mark.parametrize("key", [None, 1])
async def test_an_insert_with_checked_keys_takes_two(
    engine: AsyncEngine, hops: Hops, key: int | None
) -> None:
    async with Session(engine) as session:
        await (await session.connection()).run_sync(CheckedBase.metadata.create_all)
        session.add(Parent(id=1))
        await session.commit()

    with hops:
        async with Session(engine) as session:
            session.add(Child(id=1, parent_id=key, other_id=key))
            await session.commit()

    assert hops.taken <= 2


async def test_an_empty_session_takes_none(engine: AsyncEngine, hops: Hops) -> None:
    with hops:
        async with AsyncSession(engine) as session, session.begin():
            pass
        async with engine.begin():
            pass

    assert hops.taken == 0


@pytest.mark.parametrize("returning", ["plain", "returning"])
@pytest.mark.sampled(3)
async def test_an_insert_of_many_rows_takes_four(
    engine: AsyncEngine, hops: Hops, returning: str
) -> None:
    rows = [{"id": number, "name": "many"} for number in range(10_000, 22_000)]
    statement = insert(Thing)

    with hops:
        async with engine.begin() as connection:
            if returning == "plain":
                await connection.execute(statement, rows)
            else:
                found = await connection.execute(
                    statement.returning(Thing.id, sort_by_parameter_order=True), rows
                )
                assert found.scalars().all() == [row["id"] for row in rows]

    assert hops.taken <= 4


@pytest.mark.parametrize("batches", [1, 4, 10])
async def test_a_stream_takes_one_a_batch(engine: AsyncEngine, hops: Hops, batches: int) -> None:
    query = select(Thing.id).execution_options(yield_per=1000 // batches)

    with hops:
        async with engine.connect() as connection:
            result = await connection.stream(query)
            assert len([row async for row in result]) == 1000

    assert hops.taken <= batches + 1


async def test_a_rollback_of_what_was_only_read_takes_none(engine: AsyncEngine, hops: Hops) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        with hops:
            await connection.rollback()

    assert hops.taken == 0
