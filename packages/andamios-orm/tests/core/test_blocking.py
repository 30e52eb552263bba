from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import MetaData, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, Settings
from andamios_orm.core.blocking import BlockingSession, create_blocking_engine
from andamios_orm.exceptions import ConfigurationError, DuplicateKey, PoolExhausted
from andamios_orm.models import Row
from andamios_orm.models.feed import feed_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Base(Row, DeclarativeBase):
    """The tables of these tests."""


feed_tables(Base.metadata)


class Word(Base):
    """A row."""

    __tablename__ = "words"

    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def metadata() -> MetaData:
    return Base.metadata


@pytest.fixture
def settings(postgres_url: str) -> Settings:
    return Settings(url=postgres_url, pool_size=1, max_overflow=0, pool_timeout=0)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = create_blocking_engine(settings)
    yield engine
    engine.dispose()


def test_a_blocking_session_keeps_its_instances_and_leaves_the_feed(engine: Engine) -> None:
    with BlockingSession(engine) as session:
        word = Word(id=7)
        session.add(word)
        session.commit()
        assert word.id == 7
        assert session.scalar(text("SHOW transaction_isolation")) == "repeatable read"

    with engine.connect() as connection:
        changes = connection.execute(text("SELECT entity, key, kind FROM andamios_changes")).all()
    assert [tuple(change) for change in changes] == [("words", "7", "create")]


def test_its_errors_are_ours(engine: Engine) -> None:
    with pytest.raises(DuplicateKey), BlockingSession(engine) as session:
        session.add_all([Word(id=1)])
        session.flush()
        session.execute(insert(Word).values(id=1))


def test_a_full_pool_is_named(engine: Engine) -> None:
    with (
        engine.connect(),
        pytest.raises(PoolExhausted, match=r"all 1 connections .* raise pool_size"),
    ):
        engine.connect()


@pytest.mark.slow
async def test_a_full_pool_of_tasks_is_named(settings: Settings) -> None:
    async with Database(settings=settings) as database, database.session() as session:
        await session.execute(select(1))
        with pytest.raises(PoolExhausted, match="none came free in 0 s"):
            _ = await database.engine.connect()


def test_a_driver_that_has_to_be_awaited_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="without awaiting"):
        create_blocking_engine(Settings(url="postgresql+asyncpg://host/name"))
