"""Follow what changes, look back at a row, and find what raw SQL has broken.

Shows: a follower that keeps a total, history of a row, a batch recorded by hand,
how far followers are, and the check for rows whose parent is gone.
Prints: each change once, the versions of one page, and the orphan.
Costs: one more INSERT in the commit of each write; two for models with history.
Edge cases: a follower that is killed gets its last batch again, unless it saves its
position in its own transaction, as here; secret columns are in no history.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from andamios_orm import Database, run
from andamios_orm.core import (
    Batch,
    Change,
    ChangeFeed,
    Follower,
    FollowerState,
    Orphan,
    RowVersion,
    Session,
    check_integrity,
    record_batch,
)
from andamios_orm.models import HistoryMixin, IntegerKeyMixin, Row, acting_as


class Base(Row, DeclarativeBase):
    """The tables of this example."""


class Page(IntegerKeyMixin, HistoryMixin, Base):
    """A page whose every version is kept."""

    __tablename__ = "pages"
    title: Mapped[str]


class Note(IntegerKeyMixin, Base):
    """A note on a page."""

    __tablename__ = "notes"
    page_id: Mapped[int] = mapped_column(ForeignKey("pages.id"))


async def write(database: Database) -> Page:
    """Create a page and change it."""
    with acting_as("ana"):
        page = await database.create(Page, {"title": "Plan"})
        async with database.transaction() as session:
            session.add(page)
            page.title = "The plan"
    return page


def record(session: Session, keys: list[int]) -> None:
    """Record what Core statements did, which leave no record by themselves."""
    session.sync_session.connection()
    record_batch(session.sync_session.connection(), Note, "bulk_update", keys)


async def follow(database: Database, feed: ChangeFeed) -> list[Change]:
    """Return what one follower has seen; its position is saved with its own work."""
    seen: list[Change] = []
    follower: Follower = feed.follow("printer")
    async for batch in follower:
        await done(database, batch)
        seen.extend(batch)
        break
    return seen


async def done(database: Database, batch: Batch) -> None:
    """Save the position in the transaction that stores what was derived."""
    async with database.transaction() as session:
        await batch.save(session)


async def main() -> None:
    """Write, follow, look back, and check."""
    database = Database("duckdb:///:memory:")
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with database, ChangeFeed(database, Base) as feed:
        page = await write(database)
        for change in await follow(database, feed):
            print(change.entity, change.key, change.kind, "by", change.actor)

        states: list[FollowerState] = await feed.followers()
        print(states[0].name, "is at the end:", states[0].position == await feed.position())

        versions: list[RowVersion] = await feed.history(Page, page.id)
        print([version.after and version.after["title"] for version in versions])

        async with database.transaction() as session:
            await session.execute(text("INSERT INTO notes (id, page_id) VALUES (1, 99)"))
            await session.run_sync(lambda _: record(session, [1]))
        async with database.session() as session:
            orphans: list[Orphan] = await check_integrity(session, Base.metadata)
        print(orphans[0])


if __name__ == "__main__":
    run(main())
