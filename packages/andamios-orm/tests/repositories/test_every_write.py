"""Every way to change a row is one line here: what it records, counts, signs and keeps.

Each of them makes what a cache holds of the table stale. A public method that writes
and has no line fails.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.repositories.models import Base, Project

from andamios_orm.core.changes import ChangeFeed
from andamios_orm.models import acting_as
from andamios_orm.repositories import BaseRepository
from andamios_orm.repositories.events import MARK

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from andamios_orm import Database
    from andamios_orm.core import Change

pytestmark = [pytest.mark.integration, pytest.mark.db]

Projects = BaseRepository[Project]
GONE, HIDDEN = "gone", "hidden"


@dataclass(frozen=True)
class Line:
    """One method: how it is called on project 1, and what it leaves.

    ``before`` is what is done to the project first; ``row`` is the version and the
    author of the last change, or whether the row is hidden or gone.
    """

    call: Callable[[Projects], Awaitable[Any]]
    kinds: list[str]
    row: Any
    before: str | None = None
    key: int = 1


NEW = {"name": "new"}
CHANGED = {"name": "changed"}
LINES = {
    "create": Line(lambda p: p.create(NEW), ["create"], (1, "eva"), key=2),
    "add": Line(lambda p: p.add(NEW), ["create"], (1, "eva"), key=2),
    "add_many": Line(lambda p: p.add_many([NEW, NEW]), ["create"] * 2, (1, "eva"), key=3),
    "get_or_create": Line(lambda p: p.get_or_create(**NEW), ["create"], (1, "eva"), key=2),
    "get_or_upsert": Line(lambda p: p.get_or_upsert({"id": 1, **CHANGED}), ["update"], (2, "eva")),
    "get_and_update": Line(lambda p: p.get_and_update(CHANGED, name="old"), ["update"], (2, "eva")),
    "update": Line(lambda p: p.update(1, CHANGED), ["update"], (2, "eva")),
    "update_many": Line(lambda p: p.update_many([{"id": 1, **CHANGED}]), ["update"], (2, "eva")),
    "upsert": Line(
        lambda p: p.upsert({"name": "old", "stars": 1}, match_fields=["name"]),
        ["update"],
        (2, "eva"),
    ),
    "upsert_many": Line(
        lambda p: p.upsert_many([{"id": 1, **CHANGED}, NEW]), ["create", "update"], (2, "eva")
    ),
    "delete": Line(lambda p: p.delete(1), ["delete"], HIDDEN),
    "delete_many": Line(lambda p: p.delete_many([1]), ["delete"], HIDDEN),
    "delete_where": Line(lambda p: p.delete_where(name="old"), ["delete"], HIDDEN),
    "restore": Line(lambda p: p.restore(1), ["restore"], (3, "eva"), before="delete"),
    "purge": Line(lambda p: p.purge(1), ["purge"], GONE),
    "bulk_create": Line(lambda p: p.bulk_create([NEW, NEW]), ["bulk_create"], (1, "eva"), key=2),
    "bulk_update": Line(
        lambda p: p.bulk_update([{"id": 1, **CHANGED}]), ["bulk_update"], (2, "eva")
    ),
    "bulk_upsert": Line(
        lambda p: p.bulk_upsert([{**NEW, "stars": 1}], match_fields=["name"]),
        ["bulk_upsert"],
        (1, "eva"),
        key=2,
    ),
    "bulk_delete": Line(lambda p: p.bulk_delete([1]), ["bulk_delete"], HIDDEN),
    "load": Line(lambda p: p.load([NEW, NEW]), ["bulk_create"], (1, "eva"), key=2),
}


def writing_methods() -> set[str]:
    """Return the public methods of a repository that write."""
    return {
        name
        for name in dir(BaseRepository)
        if not name.startswith("_") and getattr(getattr(BaseRepository, name), MARK, False)
    }


def test_every_write_has_a_line() -> None:
    assert set(LINES) == writing_methods()


def test_what_may_be_called_is_an_operation_or_known() -> None:
    methods = {
        name
        for name in dir(BaseRepository)
        if not name.startswith("_")
        and callable(getattr(BaseRepository, name))
        and not hasattr(getattr(BaseRepository, name), MARK)
    }

    hooks = {name for name in methods if name.startswith(("before_", "after_"))}
    assert methods - hooks == {
        "cached",
        "on",
        "on_session",
        "query",
        "reading",
        "run_alone",
        "scope",
        "stream",
        "transaction",
        "uncached",
        "use",
        "with_deleted",
        "without_middleware",
    }


async def changes_by(actor: str, feed: ChangeFeed, count: int) -> list[Change]:
    """Return the changes that ``actor`` made; PostgreSQL may show them a moment later."""
    async with asyncio.timeout(5):
        while True:
            changes = [change for change in await feed.read() if change.actor == actor]
            if len(changes) >= count:
                return changes
            await asyncio.sleep(0.01)


async def seen(projects: Projects) -> list[Any]:
    """Return all that a reader sees of the projects."""
    rows = await projects.list(order_by="id", with_deleted=True)
    return [(row.id, row.name, row.version, row.is_deleted) for row in rows]


async def kept(database: Database) -> list[Any]:
    """Return what the cache of a database holds, and gives again."""
    projects = BaseRepository(database, Project).cached()
    first = await seen(projects)
    assert await seen(projects) == first
    assert database.cache.statistics().hits == 1
    return first


@pytest.mark.slow
@pytest.mark.parametrize("bound_to", ["session", "database"])
@pytest.mark.parametrize("method", sorted(LINES))
async def test_a_write_is_recorded_counted_and_signed(
    database: Database, method: str, bound_to: str
) -> None:
    line = LINES[method]
    whole = BaseRepository(database, Project)
    with acting_as("ana"):
        await whole.create({"name": "old"})
        if line.before:
            await getattr(whole, line.before)(1)
    feed = ChangeFeed(database, Base.metadata)
    cached = await kept(database)
    with acting_as("eva"):
        if bound_to == "database":
            await line.call(whole)
        else:
            async with database.transaction() as session:
                await line.call(BaseRepository(session, Project))

    assert await seen(whole.cached()) == await seen(whole) != cached
    changes = await changes_by("eva", feed, len(line.kinds))
    assert sorted(change.kind for change in changes) == line.kinds
    assert {change.entity for change in changes} == {"projects"}
    found = await whole.get_by_id(line.key, with_deleted=True)
    if line.row is GONE:
        assert found is None
    elif line.row is HIDDEN:
        assert found is not None
        assert (found.is_deleted, found.version) == (True, 2)
    else:
        assert found is not None
        assert ((found.version, found.updated_by), found.is_deleted) == (line.row, False)
    if line.row is not GONE and not method.startswith("bulk"):
        versions = await whole.history(line.key)
        assert versions[-1].actor == "eva"
