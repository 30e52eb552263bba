"""What the tests of the search share: whether an index has what the tables have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from project_architect_db.repositories import SearchRepository
from project_architect_db.search import Following
from project_architect_db.search.entries import MODELS, Kind, entries, entry_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from andamios_orm import Database

Content = dict[str, tuple[int, str, str]]
"""The project, the title and the text of each entry, by its name."""


async def _in_tables(database: Database) -> Content:
    """Return what an index has to have."""
    found: Content = {}
    async with database.engine.connect() as connection:
        for kind in MODELS:
            for row in await connection.execute(entries(kind)):
                entry = entry_of(row)
                title = "" if kind is Kind.MESSAGE else entry.title
                found[entry.uid] = (entry.project_id, title, entry.text)
    return found


async def _in_index(database: Database) -> Content:
    """Return what the index has, when a search has caught up."""
    await SearchRepository(database).catch_up()
    index: Any = (await Following.of(database.engine)).index
    searcher = index.searcher
    hits = searcher.search(index.query.all_query(), limit=searcher.num_docs).hits
    found: Content = {}
    for _, address in hits:
        meta, text = index.stored(searcher, address)
        if "kind" in meta:
            title = "" if meta["kind"] == "message" else meta["title"]
            name = f"{meta['kind']}:{meta['id']}"
            assert name not in found
            found[name] = (meta["project_id"], title, text)
    return found


async def _agree(database: Database) -> bool:
    """Return whether both have the same."""
    return await _in_index(database) == await _in_tables(database)


@pytest.fixture
def agree() -> Callable[[Database], Awaitable[bool]]:
    """Return the function that says whether an index has what the tables have."""
    return _agree
