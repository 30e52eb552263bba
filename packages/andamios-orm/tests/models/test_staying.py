"""Children that stay with a parent that is deleted softly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import ForeignKey, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from andamios_orm.bulk import bulk_delete
from andamios_orm.models import IntegerKeyMixin, Row, SoftDeleteMixin
from andamios_orm.models.staying import STAYS
from andamios_orm.repositories import BaseRepository

if TYPE_CHECKING:
    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The tables of these tests."""


class Talk(SoftDeleteMixin, IntegerKeyMixin, Base):
    """A row with lines that nobody reaches without it."""

    __tablename__ = "talks"

    lines: Mapped[list[Line]] = relationship(cascade="all, delete-orphan", info=STAYS)


class Line(IntegerKeyMixin, Base):
    """A row that cannot be deleted softly."""

    __tablename__ = "lines"

    talk_id: Mapped[int] = mapped_column(ForeignKey("talks.id"))


@pytest.fixture
def metadata() -> MetaData:
    return Base.metadata


async def test_they_stay_with_a_soft_deletion_and_are_back_after_it(database: Database) -> None:
    async with database.transaction() as session:
        talks, lines = BaseRepository(session, Talk), BaseRepository(session, Line)
        talk = await talks.create(Talk(lines=[Line(), Line()]))
        await talks.delete(talk.id)
        assert await lines.count() == 2
        await talks.restore(talk.id)
        await bulk_delete(session, Talk, [talk.id])
        assert await lines.count() == 2
        restored = await talks.restore(talk.id)
        restored = await talks.get(restored.id, load=[Talk.lines])

    assert len(restored.lines) == 2


@pytest.mark.slow
async def test_they_go_with_a_parent_that_goes_for_good(database: Database) -> None:
    async with database.transaction() as session:
        talks, lines = BaseRepository(session, Talk), BaseRepository(session, Line)
        first = await talks.create(Talk(lines=[Line()]))
        second = await talks.create(Talk(lines=[Line()]))
        await talks.delete(first.id)
        await talks.purge(first.id)
        assert await lines.count() == 1
        await bulk_delete(session, Talk, [second.id], purge=True)

    assert await BaseRepository(database, Line).count() == 0
