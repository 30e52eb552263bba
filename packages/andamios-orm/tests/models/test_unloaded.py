"""Relationships that nothing has loaded, and those that load as they say."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    WriteOnlyMapped,
    backref,
    lazyload,
    mapped_column,
    raiseload,
    relationship,
    selectinload,
)

from andamios_orm.exceptions import NotLoaded
from andamios_orm.models import IntegerKeyMixin, Row

if TYPE_CHECKING:
    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Base(Row, DeclarativeBase):
    """The base of these tables."""


class Shelf(IntegerKeyMixin, Base):
    """Has books, loaded in every way there is."""

    __tablename__ = "shelves"
    books: Mapped[list[Book]] = relationship(backref=backref("legacy", viewonly=True))
    always: Mapped[list[Book]] = relationship(viewonly=True, lazy="selectin")
    joined: Mapped[list[Book]] = relationship(viewonly=True, lazy="joined")
    at_once: Mapped[list[Book]] = relationship(viewonly=True, lazy="immediate")
    lazily: Mapped[list[Book]] = relationship(viewonly=True, lazy=True)
    written: WriteOnlyMapped[Book] = relationship(viewonly=True)


class Book(IntegerKeyMixin, Base):
    """Is on a shelf; novels are books."""

    __tablename__ = "books"
    kind: Mapped[str] = mapped_column(default="book")
    shelf_id: Mapped[int | None] = mapped_column(sa.ForeignKey("shelves.id"))
    shelf: Mapped[Shelf | None] = relationship(overlaps="books")
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "book"}  # noqa: RUF012 - SQLAlchemy's own form


class Novel(Book):
    """Inherits its relationships."""

    __mapper_args__ = {"polymorphic_identity": "novel"}  # noqa: RUF012 - SQLAlchemy's own form


class Author(IntegerKeyMixin, Base):
    """Wrote books."""

    __tablename__ = "authors"


Author.books = relationship(Book)  # added later, as applications do


@pytest.fixture
def metadata() -> sa.MetaData:
    """Return the tables of these tests."""
    return Base.metadata


@pytest.fixture
async def stored(database: Database) -> Database:
    """Return a database with one shelf of two books."""
    async with database.transaction() as session:
        session.add(Shelf(books=[Book(), Novel()]))
    return database


@pytest.mark.parametrize("relation", ["books", "lazily"])
async def test_touching_what_is_not_loaded_names_model_and_relation(
    stored: Database, relation: str
) -> None:
    async with stored.session() as session:
        shelf = await session.get_one(Shelf, 1)

        with pytest.raises(NotLoaded, match=f"Shelf.{relation} is not loaded") as caught:
            getattr(shelf, relation)

    assert (caught.value.model, caught.value.relation) == ("Shelf", relation)


@pytest.mark.parametrize("relation", ["shelf", "legacy"])
async def test_a_subclass_is_named_for_itself(stored: Database, relation: str) -> None:
    async with stored.session() as session:
        novel = (await session.scalars(sa.select(Novel))).one()

        with pytest.raises(NotLoaded, match=f"Novel.{relation}"):
            getattr(novel, relation)


async def test_a_relationship_that_is_added_later_is_guarded_as_well(stored: Database) -> None:
    async with stored.transaction() as session:
        session.add(Author())
    async with stored.session() as session:
        author = await session.get_one(Author, 1)

        with pytest.raises(NotLoaded, match="Author"):
            _ = author.books  # type: ignore[attr-defined]


async def test_it_is_loaded_when_the_query_says_so(stored: Database) -> None:
    async with stored.session() as session:
        query = sa.select(Shelf).options(selectinload(Shelf.books))
        shelf = (await session.scalars(query)).unique().one()

    assert [type(book) for book in shelf.books] == [Book, Novel]


@pytest.mark.parametrize("relation", ["always", "joined", "at_once"])
async def test_a_relationship_that_says_how_it_is_loaded_keeps_to_it(
    stored: Database, relation: str
) -> None:
    async with stored.session() as session:
        shelf = await session.get_one(Shelf, 1)

    assert len(getattr(shelf, relation)) == 2


@pytest.mark.parametrize("relation", ["books", "always", "joined", "at_once", "lazily"])
@pytest.mark.slow
async def test_what_expired_is_not_loaded(stored: Database, relation: str) -> None:
    async with stored.session() as session:
        query = sa.select(Shelf).options(selectinload(Shelf.books))
        shelf = (await session.scalars(query)).unique().one()
        session.expire(shelf)

        with pytest.raises(NotLoaded, match=f"Shelf.{relation}"):
            getattr(shelf, relation)


@pytest.mark.parametrize("relation", ["books", "always", "lazily"])
async def test_what_left_its_session_is_not_loaded(stored: Database, relation: str) -> None:
    async with stored.session() as session:
        query = sa.select(Shelf).options(raiseload("*"))
        shelf = (await session.scalars(query)).unique().one()
        session.expunge(shelf)
    travelled = pickle.loads(pickle.dumps(shelf))  # noqa: S301 - our own

    with pytest.raises(NotLoaded, match=f"Shelf.{relation}"):
        getattr(shelf, relation)
    with pytest.raises(NotLoaded, match=f"Shelf.{relation}"):
        getattr(travelled, relation)


@pytest.mark.slow
@pytest.mark.parametrize("relation", ["books", "lazily"])
async def test_a_closed_session_is_not_asked(stored: Database, relation: str) -> None:
    async with stored.session() as session:
        shelf = await session.get_one(Shelf, 1)

    with pytest.raises(NotLoaded, match=f"Shelf.{relation}"):
        getattr(shelf, relation)


async def test_a_blocking_session_may_load_when_it_is_asked_to(stored: Database) -> None:
    def count(session: Session) -> tuple[int, int]:
        shelf = session.scalars(sa.select(Shelf).options(lazyload(Shelf.books))).unique().one()
        return len(shelf.books), len(shelf.lazily)

    async with stored.session() as session:
        assert await session.run_sync(count) == (2, 2)


def test_a_new_instance_has_empty_collections() -> None:
    shelf = Shelf()

    shelf.books.append(Book())

    assert (len(shelf.books), shelf.always, Book().shelf) == (1, [], None)


async def test_an_instance_that_waits_to_be_stored_has_them_too(stored: Database) -> None:
    async with stored.session() as session:
        shelf = Shelf()
        session.add(shelf)

        shelf.books.append(Book())

        assert len(shelf.books) == 1
        session.expunge_all()


async def test_a_reference_may_be_set_without_being_loaded(stored: Database) -> None:
    async with stored.transaction() as session:
        book = await session.get_one(Book, 1)
        book.shelf = Shelf()
    async with stored.session() as session:
        assert (await session.get_one(Book, 1)).shelf_id == 2


async def test_a_write_only_collection_stays_one(stored: Database) -> None:
    async with stored.session() as session:
        shelf = await session.get_one(Shelf, 1)

        found = (await session.scalars(shelf.written.select())).all()

    assert len(found) == 2


async def test_a_parent_is_deleted_without_loading_by_hand(stored: Database) -> None:
    async with stored.transaction() as session:
        await session.delete(await session.get_one(Shelf, 1))
    async with stored.session() as session:
        assert (await session.scalars(sa.select(Book.shelf_id))).all() == [None, None]


async def test_models_of_other_bases_keep_sqlalchemys_ways(duckdb_database: Database) -> None:
    class Foreign(DeclarativeBase): ...

    class Node(Foreign):
        __tablename__ = "nodes"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("nodes.id"))
        parent: Mapped[Node | None] = relationship(remote_side="Node.id")

    Node.__mapper__.registry.configure()

    assert Node.parent.property.lazy == "select"
