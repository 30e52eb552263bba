"""Create, read, update, delete: one repository, and everything it refuses by name.

Shows ``BaseRepository`` on a session: rows from dicts, pydantic models and instances;
``get``, ``list``, ``count``; optimistic updates; deletion that is soft, restored, final.

Prints what each step did. Costs: a create is one statement, an update two (it reads the
row first), a list one and one more for each relation in ``load=``; nothing is committed
before the end of the ``transaction()`` block.

Edge cases: names and values are checked before anything is sent; keys, versions, times
and authors are not written by hand; a relation that was not loaded raises when touched.
"""

from __future__ import annotations

from pydantic import BaseModel
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from andamios_orm import Database, Session, run
from andamios_orm.exceptions import NotFound, StaleVersion, UnknownField, ValueRefused
from andamios_orm.models import (
    IntegerKeyMixin,
    Row,
    SoftDeleteMixin,
    TimestampMixin,
    VersionMixin,
)
from andamios_orm.repositories import BaseRepository


class Base(Row, DeclarativeBase):
    """The tables of this example."""


class Author(IntegerKeyMixin, TimestampMixin, VersionMixin, SoftDeleteMixin, Base):
    """Somebody who writes."""

    __tablename__ = "authors"

    name: Mapped[str] = mapped_column(String(40))
    country: Mapped[str | None]
    books: Mapped[list[Book]] = relationship(cascade="all, delete-orphan")


class Book(IntegerKeyMixin, SoftDeleteMixin, Base):
    """What was written."""

    __tablename__ = "books"

    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))


class AuthorUpdate(BaseModel):
    """What may change; fields that were not set stay as they are."""

    name: str | None = None
    country: str | None = None


async def create(session: Session) -> None:
    """A dict, a list of dicts, an instance with its children."""
    async with BaseRepository(session, Author) as authors:
        ana = await authors.create({"name": "Ana"})
        await authors.add_many([{"name": "Eva"}, {"name": "Leo"}])
        await authors.create(Author(name="Sol", books=[Book(title="Sal"), Book(title="Luz")]))
        again, new = await authors.get_or_create({"country": "es"}, name="Ana")
    print("created:", ana, "version", ana.version)
    print("was there already:", again is ana, not new)


async def read(session: Session) -> None:
    """By key, by fields, by conditions, in pages."""
    authors = BaseRepository(session, Author)
    page, total = await authors.list_and_count(2, 0, order_by="-name")
    print("page:", [author.name for author in page], "of", total)
    print("with an a:", await authors.count(name__icontains="a"))
    sol = await authors.get_one(name="Sol", load=Author.books)
    print("books of Sol:", sorted(book.title for book in sol.books))
    try:
        await authors.get(99)
    except NotFound as error:
        print("missing:", error)


async def update(session: Session) -> None:
    """A change names the version it has seen, and is refused if that is no longer so."""
    authors = BaseRepository(session, Author)
    ana = await authors.update(1, AuthorUpdate(country="es"))
    print("changed:", ana.name, ana.country, "version", ana.version)
    try:
        await authors.update(1, {"country": "pt"}, version=1)
    except StaleVersion as error:
        print("stale:", error.expected, "is", error.actual, "by now")


async def refused(session: Session) -> None:
    """What makes no sense never reaches the database."""
    authors = BaseRepository(session, Author)
    rows: list[dict[str, object]] = [{"nam": "Ana"}, {"name": "A" * 41}, {"name": "A", "id": 7}]
    for values in rows:
        try:
            await authors.create(values)
        except (UnknownField, ValueRefused) as error:
            print("refused:", str(error)[:72])


async def delete(session: Session) -> None:
    """Deleted rows are out of sight with their children, come back, or go for good."""
    authors = BaseRepository(session, Author)
    books = BaseRepository(session, Book)
    await authors.delete(4)
    print("after delete:", await authors.count(), "authors,", await books.count(), "books")
    await authors.restore(4)
    print("after restore:", await authors.count(), "authors,", await books.count(), "books")
    await authors.purge(4)
    print("after purge:", await authors.with_deleted().count(), "authors")


async def main() -> None:
    """Run the steps, each in a transaction."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        for step in (create, read, update, refused, delete):
            async with database.transaction() as session:
                await step(session)


if __name__ == "__main__":
    run(main())
