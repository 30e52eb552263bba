import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, MetaData, Table, literal, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database
from andamios_orm.core import grouping
from andamios_orm.exceptions import (
    AndamiosError,
    CheckViolation,
    DuplicateKey,
    MissingTable,
    NotNullViolation,
    WriteDeadlock,
)
from andamios_orm.models import acting_as, current_actor

pytestmark = [pytest.mark.concurrency, pytest.mark.db, pytest.mark.sampled(2)]


class Base(DeclarativeBase):
    """The tables of these tests."""


class Event(Base):
    """Something that happened."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    size: Mapped[int] = mapped_column(CheckConstraint("size >= 0"), default=1)


def later(context: Any) -> int:
    """Return a default that has to ask the database."""
    return int(context.connection.scalar(select(literal(7))))


class Signed(Base):
    """Something whose defaults are Python's."""

    __tablename__ = "signed"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    upper: Mapped[str] = mapped_column(
        default=lambda context: context.get_current_parameters()["title"].upper()
    )
    signer: Mapped[str | None] = mapped_column(default=current_actor)
    size: Mapped[int] = mapped_column(default=3)
    twice: Mapped[int] = mapped_column(
        default=lambda context: 2 * context.get_current_parameters()["size"]
    )
    later: Mapped[int] = mapped_column(default=later)


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def filled(database: Database) -> Database:
    return database


async def names(database: Database) -> set[str]:
    async with database.session() as session:
        return set(await session.scalars(select(Event.name)))


async def outcomes(database: Database, rows: list[dict[str, Any]]) -> list[Any]:
    return await asyncio.gather(
        *(database.insert(Event, row) for row in rows), return_exceptions=True
    )


async def test_one_insert_is_one_commit(filled: Database) -> None:
    row = await filled.insert(Event, {"name": "a"})

    assert (row["name"], row["size"]) == ("a", 1)
    assert await names(filled) == {"a"}


async def test_concurrent_inserts_share_statements_and_commits(filled: Database) -> None:
    rows = await outcomes(filled, [{"name": f"n{number}"} for number in range(64)])

    assert [row["name"] for row in rows] == [f"n{number}" for number in range(64)]
    assert len({row["id"] for row in rows}) == 64
    assert filled._groups.groups <= 3


async def test_defaults_are_those_of_the_task_that_inserts(filled: Database) -> None:
    async def sign(name: str) -> Any:
        with acting_as(name):
            return await filled.insert(Signed, {"title": f"by {name}"})

    rows = await asyncio.gather(*(sign(name) for name in ("ana", "bea", "cai")))

    assert [(row["signer"], row["upper"], row["twice"], row["later"]) for row in rows] == [
        ("ana", "BY ANA", 6, 7),
        ("bea", "BY BEA", 6, 7),
        ("cai", "BY CAI", 6, 7),
    ]
    assert filled._groups.groups <= 2


async def test_a_default_that_fails_is_its_own_callers(filled: Database) -> None:
    rows = await asyncio.gather(
        filled.insert(Signed, {"title": None}),
        filled.insert(Signed, {"title": "a"}),
        return_exceptions=True,
    )

    assert isinstance(rows[0], AttributeError)
    assert isinstance(rows[1], Mapping)


async def test_one_bad_row_among_many_fails_alone(filled: Database) -> None:
    rows = [{"name": f"n{number}", "size": -1 if number == 13 else 1} for number in range(40)]

    found = await outcomes(filled, rows)

    assert [index for index, row in enumerate(found) if isinstance(row, Exception)] == [13]
    assert isinstance(found[13], CheckViolation)
    assert len(await names(filled)) == 39


async def test_each_call_has_its_own_outcome(filled: Database) -> None:
    await filled.insert(Event, {"name": "there"})
    rows: list[dict[str, Any]] = [{"name": "new"}, {"name": "there"}, {"name": None}, {"name": "b"}]

    found = await outcomes(filled, rows)

    assert [type(row) for row in found[1:3]] == [DuplicateKey, NotNullViolation]
    assert await names(filled) == {"there", "new", "b"}


async def test_of_two_equal_rows_one_is_stored(filled: Database) -> None:
    found = await outcomes(filled, [{"name": "same"}] * 2)

    assert [isinstance(row, DuplicateKey) for row in found] == [False, True]


async def test_rows_of_different_shapes_do_not_wait_for_each_other(filled: Database) -> None:
    found = await outcomes(filled, [{"name": "a"}, {"name": "b", "size": 5}])

    assert [(row["name"], row["size"]) for row in found] == [("a", 1), ("b", 5)]


async def test_more_rows_than_a_group_holds_go_in_several(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "MOST_ROWS", 8)

    rows = await outcomes(filled, [{"name": f"n{number}"} for number in range(30)])

    assert [row["name"] for row in rows] == [f"n{number}" for number in range(30)]
    assert filled._groups.groups >= 4


async def test_a_statement_that_is_wrong_is_not_tried_row_by_row(filled: Database) -> None:
    async with filled.engine.begin() as connection:
        await connection.execute(text("DROP TABLE events"))

    found = await outcomes(filled, [{"name": f"n{number}"} for number in range(16)])

    assert {type(row) for row in found} == {MissingTable}
    assert filled._groups.groups <= 2


async def test_a_caller_that_leaves_while_it_waits_takes_its_row_along(filled: Database) -> None:
    first = asyncio.create_task(filled.insert(Event, {"name": "first"}))
    await asyncio.sleep(0)
    leaving = asyncio.create_task(filled.insert(Event, {"name": "leaving"}))
    staying = asyncio.create_task(filled.insert(Event, {"name": "staying"}))
    await asyncio.sleep(0)
    leaving.cancel()

    await asyncio.wait({first, leaving, staying})

    assert leaving.cancelled()
    assert await names(filled) >= {"first", "staying"}


async def test_a_group_whose_callers_all_left_is_not_written(filled: Database) -> None:
    table = Event.__table__
    assert isinstance(table, Table)
    request = grouping._Request({"name": "a"}, asyncio.get_running_loop().create_future())
    request.answer.cancel()

    await filled._groups._write(table, [request])

    assert await names(filled) == set()


@pytest.mark.parametrize(("size", "stored"), [(1, {"a"}), (-1, set())])
async def test_a_caller_that_leaves_during_the_commit_may_have_written(
    filled: Database, monkeypatch: pytest.MonkeyPatch, size: int, stored: set[str]
) -> None:
    commit = filled._groups._commit

    async def commit_when_nobody_waits(*arguments: Any) -> Any:
        leaving.cancel()
        await asyncio.sleep(0)
        return await commit(*arguments)

    monkeypatch.setattr(filled._groups, "_commit", commit_when_nobody_waits)
    leaving = asyncio.create_task(filled.insert(Event, {"name": "a", "size": size}))

    await asyncio.wait({leaving})

    await asyncio.wait({lane.running for lane in filled._groups._lanes.values() if lane.running})
    assert leaving.cancelled()
    assert await names(filled) == stored


async def test_who_waits_when_the_loop_ends_is_told(filled: Database) -> None:
    waiting = asyncio.create_task(filled.insert(Event, {"name": "a"}))
    await asyncio.sleep(0)
    (lane,) = filled._groups._lanes.values()
    second = asyncio.create_task(filled.insert(Event, {"name": "b"}))
    await asyncio.sleep(0)
    assert lane.running is not None

    lane.running.cancel()
    await asyncio.wait({waiting, second, lane.running})

    assert second.cancelled()
    assert filled._groups._lanes == {}


async def test_an_insert_within_a_write_transaction_of_the_task_is_refused(
    duckdb_database: Database,
) -> None:

    with pytest.raises(WriteDeadlock, match="commit it first"):
        async with duckdb_database.transaction() as session:
            session.add(Event(name="a"))
            await session.flush()
            await duckdb_database.insert(Event, {"name": "b"})


async def test_a_column_that_does_not_exist_is_named(filled: Database) -> None:
    with pytest.raises(AndamiosError, match=r"'nme'.*events has only id, name, size"):
        await filled.insert(Event, {"nme": "a"})
