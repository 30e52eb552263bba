"""Events: something happens before and after each row is created, changed, deleted.

Shows hooks of a class (methods to override, async or not), hooks of one repository
(``on()``), and a hook that stops the operation.

Prints what the hooks noted. Costs: nothing where nobody listens; with hooks a create on a
database has a transaction of its own instead of sharing a commit.

Edge cases: ``after`` means after the flush and before the commit, in the same transaction:
what a hook writes is stored with the row or not at all. Bulk methods call no hooks; what
must follow every change, from wherever it came, follows the change feed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.orm import DeclarativeBase, Mapped

from andamios_orm import Database, run
from andamios_orm.models import IntegerKeyMixin, Row, SoftDeleteMixin
from andamios_orm.repositories import BaseRepository, Event, EventName, Hook

if TYPE_CHECKING:
    from collections.abc import Callable


class Base(Row, DeclarativeBase):
    """The tables of this example."""


class Article(IntegerKeyMixin, SoftDeleteMixin, Base):
    """Something to read."""

    __tablename__ = "articles"

    title: Mapped[str]
    slug: Mapped[str]


class Notice(IntegerKeyMixin, Base):
    """What readers are told, stored together with the article."""

    __tablename__ = "notices"

    text: Mapped[str]


class ArticleRepository(BaseRepository[Article]):
    """Articles whose slug follows the title, and whose readers are told."""

    model = Article

    def before_create(self, event: Event[Article]) -> None:
        event.instance.slug = event.instance.title.lower().replace(" ", "-")

    def before_update(self, event: Event[Article]) -> None:
        if "title" in event.values:
            event.values["slug"] = event.values["title"].lower().replace(" ", "-")

    async def after_create(self, event: Event[Article]) -> None:
        event.session.add(Notice(text=f"new: {event.instance.title}"))

    async def before_delete(self, event: Event[Article]) -> None:
        if event.instance.slug == "imprint":
            message = "the imprint stays"
            raise PermissionError(message)


def printing(label: str) -> Callable[[Event[Article]], None]:
    """Return a hook that prints."""
    return lambda event: print(f"{label}: {event.name} {event.instance.slug}")


async def main() -> None:
    """Write, change and delete articles."""
    async with Database("duckdb:///:memory:") as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with database.transaction() as session:
            articles = ArticleRepository(session)
            hook: Hook = printing("hook")
            names: tuple[EventName, ...] = ("after_create", "after_update", "after_delete")
            for name in names:
                articles.on(name, hook)
            article = await articles.create({"title": "Hello World", "slug": ""})
            await articles.update(article.id, {"title": "Hello Again"})
            await articles.delete(article.id)
            await articles.restore(article.id)  # to hooks, an update
            imprint = await articles.create({"title": "Imprint", "slug": ""})
            try:
                await articles.delete(imprint.id)
            except PermissionError as error:
                print("stopped:", error)
        notices = await BaseRepository(database, Notice).list()
        print("stored with them:", [notice.text for notice in notices])


if __name__ == "__main__":
    run(main())
