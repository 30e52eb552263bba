from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import MetaData, create_engine, select
from sqlalchemy import exc as sa_exc
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from andamios_orm.core.postgresql import guard
from andamios_orm.core.swallowed import watch_flushes
from andamios_orm.exceptions import DuplicateKey, TransactionAborted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(DeclarativeBase):
    """The table of these tests."""


class Place(Base):
    """Something with a key."""

    __tablename__ = "places"
    id: Mapped[int] = mapped_column(primary_key=True)


def watch(engine: Engine) -> None:
    """Watch an engine the way that fits its database."""
    if engine.dialect.name == "postgresql":
        guard(engine)
    else:
        watch_flushes(engine)


@pytest.fixture
def metadata() -> MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture(params=["postgres_url", "duckdb_url"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Yield a watched engine with place 1."""
    engine = create_engine(request.getfixturevalue(request.param))
    watch(engine)
    with Session(engine) as session, session.begin():
        session.add(Place(id=1))
    yield engine
    engine.dispose()


def keys(engine: Engine) -> list[int]:
    """Return what is stored."""
    with Session(engine) as session:
        return list(session.scalars(select(Place.id).order_by(Place.id)))


def add(session: Session, key: int) -> None:
    """Store a place now."""
    session.add(Place(id=key))
    session.flush()


def test_the_end_of_the_block_tells_of_a_swallowed_flush_error(engine: Engine) -> None:
    session = Session(engine)
    block = session.begin()
    block.__enter__()
    add(session, 2)
    with pytest.raises(DuplicateKey):
        add(session, 1)

    with pytest.raises(TransactionAborted, match="a flush in this transaction failed") as caught:
        block.__exit__(None, None, None)

    assert re.search("places_pkey|places with id", caught.value.cause_message)
    add(session, 3)
    session.commit()
    session.close()
    assert keys(engine) == [1, 3]


async def test_it_does_so_for_async_sessions(engine: Engine) -> None:
    async_engine = create_async_engine(engine.url)
    watch(async_engine.sync_engine)

    async def swallow(session: AsyncSession) -> None:
        session.add(Place(id=2))
        await session.flush()
        session.add(Place(id=1))
        with pytest.raises(DuplicateKey):
            await session.flush()

    async def by_session() -> None:
        async with AsyncSession(async_engine) as session, session.begin():
            await swallow(session)

    async def by_maker() -> None:
        async with async_sessionmaker(async_engine).begin() as session:
            await swallow(session)

    for block in (by_session, by_maker):
        with pytest.raises(TransactionAborted):
            await block()

    await async_engine.dispose()
    assert keys(engine) == [1]


def test_a_rollback_that_was_asked_for_is_no_loss(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        with pytest.raises(DuplicateKey):
            add(session, 1)
        session.rollback()

    assert keys(engine) == [1]


@pytest.mark.slow
def test_closing_a_session_is_no_loss_either(engine: Engine) -> None:
    with Session(engine) as session, pytest.raises(DuplicateKey):
        add(session, 1)

    assert keys(engine) == [1]


@pytest.mark.slow
def test_an_error_that_is_not_swallowed_is_not_replaced(engine: Engine) -> None:
    with pytest.raises(DuplicateKey), Session(engine) as session, session.begin():
        add(session, 1)

    with pytest.raises(DuplicateKey), Session(engine) as session, session.begin():
        session.add(Place(id=1))


@pytest.mark.parametrize("engine", ["postgres_url"], indirect=True)
def test_an_error_swallowed_around_a_savepoint_is_forgiven(engine: Engine) -> None:
    with Session(engine) as session, session.begin():
        add(session, 2)
        with pytest.raises(DuplicateKey), session.begin_nested():
            add(session, 1)

    assert keys(engine) == [1, 2]


def test_sessions_of_other_engines_are_left_alone(engine: Engine) -> None:
    other = create_engine("sqlite://")
    Base.metadata.create_all(other)

    for session in (Session(other), Session(binds={Place: other})):
        with session, session.begin():
            add(session, 1)
            session.expunge_all()
            with pytest.raises(sa_exc.IntegrityError):
                add(session, 1)

    other.dispose()
    assert keys(engine) == [1]
