from __future__ import annotations

import asyncio
import importlib.util
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, Session, fetch_arrow
from andamios_orm.core import driver_connection
from andamios_orm.exceptions import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(DeclarativeBase):
    """The tables of these tests."""


class Point(Base):
    """A place."""

    __tablename__ = "points"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str | None]


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def filled(database: Database) -> Database:
    async with database.transaction() as session:
        session.add_all([Point(id=100, label="a"), Point(id=101, label=None)])
    return database


async def test_a_query_comes_as_an_arrow_table(filled: Database) -> None:
    async with filled.session() as session:
        table = await fetch_arrow(session, select(Point).order_by(Point.id))

    assert table.to_pydict() == {"id": [100, 101], "label": ["a", None]}


async def test_a_connection_and_parameters_will_do(filled: Database) -> None:
    async with filled.engine.connect() as connection:
        table = await fetch_arrow(
            connection, text("SELECT label FROM points WHERE id = :id"), {"id": 100}
        )

    assert table.to_pydict() == {"label": ["a"]}


async def test_an_empty_result_has_its_columns(filled: Database) -> None:
    async with filled.session() as session:
        table = await fetch_arrow(session, select(Point).where(Point.id < 0))

    assert (table.num_rows, table.column_names) == (0, ["id", "label"])


async def test_columns_of_one_name_are_all_there(filled: Database) -> None:
    async with filled.engine.connect() as connection:
        table = await fetch_arrow(connection, text("SELECT 1 AS x, 2 AS x"))

    assert [column.to_pylist() for column in table.columns] == [[1], [2]]


async def test_what_a_session_has_not_written_yet_is_part_of_the_result(
    filled: Database,
) -> None:
    async with filled.transaction() as session:
        session.add(Point(id=102, label="new"))

        table = await fetch_arrow(session, select(Point.label).where(Point.id == 102))

    assert table.to_pydict() == {"label": ["new"]}


async def test_a_session_without_autoflush_is_not_flushed(filled: Database) -> None:
    async with Session(filled.engine, autoflush=False) as session:
        session.add(Point(id=102, label="new"))

        table = await fetch_arrow(session, select(Point.label).where(Point.id == 102))

    assert table.num_rows == 0


async def test_the_session_goes_on_after_an_arrow_result(filled: Database) -> None:
    async with filled.transaction() as session:
        await fetch_arrow(session, select(Point))
        (await session.get_one(Point, 100)).label = "changed"

    async with filled.session() as session:
        assert (await session.get_one(Point, 100)).label == "changed"


async def test_a_missing_pyarrow_names_the_extra(
    filled: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    find: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "pyarrow" else find(name)
    )

    async with filled.session() as session:
        with pytest.raises(MissingExtra, match=r"pip install 'andamios-orm\[arrow\]'") as caught:
            await fetch_arrow(session, select(Point))

    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize("url", ["duckdb"], indirect=True)
async def test_the_driver_is_called_off_the_loop_and_its_writes_stay(filled: Database) -> None:
    async with driver_connection(filled.engine) as raw:
        await raw.run(
            lambda connection: connection.execute("INSERT INTO points VALUES (7, 'raw')"),
            write=True,
        )

    async with filled.session() as session:
        assert (await session.get_one(Point, 7)).label == "raw"


@pytest.mark.parametrize("url", ["duckdb"], indirect=True)
async def test_what_the_driver_did_before_an_error_is_rolled_back(filled: Database) -> None:
    with pytest.raises(LookupError):
        async with driver_connection(filled.engine) as raw:
            await raw.run(
                lambda connection: connection.execute("INSERT INTO points VALUES (7, 'raw')"),
                write=True,
            )
            raise LookupError

    async with filled.session() as session:
        assert await session.get(Point, 7) is None


@pytest.mark.parametrize("url", ["duckdb"], indirect=True)
async def test_a_call_on_the_driver_can_be_cancelled(filled: Database) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), driver_connection(filled.engine) as raw:
            await raw.run(
                lambda connection: connection.execute(
                    "SELECT sum(a.range) FROM range(3000000000) a, range(1000)"
                ).fetchall()
            )

    assert (await filled.health()).ok
