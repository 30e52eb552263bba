from __future__ import annotations

import datetime as dt
import enum
import sys
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from polyfactory.fields import Use
from pydantic import BaseModel
from sqlalchemy import ForeignKey, MetaData, String, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from andamios_orm.exceptions import ConfigurationError, MissingExtra
from andamios_orm.models import (
    IntegerKeyMixin,
    Row,
    SoftDeleteMixin,
    TimestampMixin,
    UUIDKeyMixin,
    derived,
)
from andamios_orm.models.types import EnumByValue, Money, PydanticJSON, UTCDateTime
from andamios_orm.models.vector import Vector
from andamios_orm.testing import factories
from andamios_orm.testing.factories import ModelFactory, factory_of, seed

if TYPE_CHECKING:
    from andamios_orm import Database
    from andamios_pytest.plugin import FactoryOf

pytestmark = pytest.mark.integration


class Base(Row, DeclarativeBase):
    """The models of this module."""


class Address(BaseModel):
    """A document."""

    street: str


class Mood(enum.Enum):
    """What an author may be."""

    GOOD = "good"
    BAD = "bad"


class Author(IntegerKeyMixin, TimestampMixin, Base):
    """One who writes."""

    __tablename__ = "authors"
    name: Mapped[str] = mapped_column(String(20))
    born: Mapped[dt.datetime] = mapped_column(UTCDateTime)
    mood: Mapped[Mood] = mapped_column(EnumByValue(Mood))
    fee: Mapped[Decimal] = mapped_column(Money(8, 2))
    address: Mapped[Address] = mapped_column(PydanticJSON(Address))
    taste: Mapped[list[float]] = mapped_column(Vector(3))
    books: Mapped[list[Book]] = relationship(back_populates="author", foreign_keys="Book.author_id")


class Book(UUIDKeyMixin, Base):
    """What refers to an author, and may to another."""

    __tablename__ = "books"
    title: Mapped[str]
    pages: Mapped[int] = mapped_column(default=100)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))
    editor_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books", foreign_keys=[author_id])
    editor: Mapped[Author | None] = relationship(foreign_keys=[editor_id])


class Note(SoftDeleteMixin, IntegerKeyMixin, Base):
    """What has columns that nobody writes by hand."""

    __tablename__ = "notes"
    text: Mapped[str]
    length: Mapped[int] = derived("text", len)
    reads: Mapped[int | None] = mapped_column(info={"kept": "readers count it"})


class Label(IntegerKeyMixin, Base):
    """What has defaults."""

    __tablename__ = "labels"
    text: Mapped[str]
    colour: Mapped[str] = mapped_column(default="white")
    size: Mapped[int] = mapped_column(default=3)


class Shelf(IntegerKeyMixin, Base):
    """What has a factory of its own."""

    __tablename__ = "shelves"
    label: Mapped[str]
    weight: Mapped[float]


class ShelfFactory(ModelFactory[Shelf]):
    """A factory that was written."""

    __model__ = Shelf
    label = Use(lambda: "upper")


@pytest.fixture
def metadata() -> MetaData:
    return Base.metadata


def test_values_fit_their_columns(andamios_factories: FactoryOf) -> None:
    author = andamios_factories(Author).build()

    assert 0 < len(author.name) <= 20
    assert author.born.tzinfo is dt.UTC
    assert isinstance(author.mood, Mood)
    assert author.fee == round(author.fee, 2)
    assert isinstance(author.address, Address)
    assert len(author.taste) == 3


def test_what_is_given_is_taken_and_defaults_are_left(andamios_factories: FactoryOf) -> None:
    book = andamios_factories(Book).build(title="Emma")

    assert book.title == "Emma"
    assert book.author.name
    assert [book.editor, book.id, book.pages] == [None] * 3
    assert andamios_factories(Book).build(author_id=3).author is None


def test_a_seed_makes_the_same_values_again() -> None:
    made = []
    for name in ("one", "one", "two"):
        seed(name)
        made.append([factory_of(Author).build().name for _ in range(3)])

    assert made[0] == made[1] != made[2]


def test_a_factory_that_was_written_is_used(andamios_factories: FactoryOf) -> None:
    assert andamios_factories(Shelf) is ShelfFactory
    assert ShelfFactory.build().label == "upper"
    assert factory_of(Author) is factory_of(Author)


@pytest.mark.db
async def test_an_instance_is_stored_with_what_it_refers_to(
    database: Database, andamios_factories: FactoryOf
) -> None:
    async with database.transaction() as session:
        book = await andamios_factories(Book).create(session)

    assert isinstance(book.id, uuid.UUID)
    assert book.author_id == book.author.id


@pytest.mark.slow
@pytest.mark.db
async def test_a_batch_shares_what_it_refers_to(
    database: Database, andamios_factories: FactoryOf
) -> None:
    async with database.transaction() as session:
        books = await andamios_factories(Book).create_batch(session, 50, pages=7)
        author = await andamios_factories(Author).create(session)
        others = await andamios_factories(Book).create_batch(session, 2, author=author)
        count = await session.scalar(select(func.count(Book.id)))

    assert count == 52
    assert len({book.title for book in books}) == 50
    assert len({book.author_id for book in books}) == 1
    assert {book.pages for book in books} == {7}
    assert {book.author_id for book in others} == {author.id}


@pytest.mark.db
async def test_a_batch_of_rows_with_collections_is_refused(
    duckdb_database: Database, andamios_factories: FactoryOf
) -> None:
    async with duckdb_database.session() as session:
        with pytest.raises(ConfigurationError, match="create those of books by themselves"):
            await andamios_factories(Author).create_batch(session, 2, books=[])


def test_without_polyfactory_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polyfactory.factories.base", None)
    found = sys.modules.pop(factories.__name__)
    try:
        with pytest.raises(MissingExtra, match=r"andamios-orm\[testing\]"):
            __import__(factories.__name__)
    finally:
        sys.modules[factories.__name__] = found


@pytest.mark.db
async def test_what_nobody_writes_by_hand_is_not_made_up(database: Database) -> None:
    built = factory_of(Note).build()

    async with database.transaction() as session:
        created = await factory_of(Note).create_batch(session, 2)

    assert (built.deleted_at, built.reads) == (None, None)
    assert [note.length == len(note.text) for note in created] == [True, True]


def test_what_a_factory_says_wins_over_a_default() -> None:
    class RedFactory(ModelFactory[Label]):
        colour = "red"

    class LongFactory(RedFactory):
        text = "More"

    assert RedFactory.build().colour == "red"
    assert (LongFactory.build().colour, LongFactory.build().text) == ("red", "More")
    assert LongFactory.build().size is None
