"""Memory is bounded, and nobody takes that of others."""

from __future__ import annotations

import uuid
from typing import ClassVar

import pytest

from axai_pg.data.caching.stores import Entry, MemoryStore, Selection

pytestmark = pytest.mark.unit

ACME, GLOBEX = uuid.uuid4(), uuid.uuid4()


class Counting:
    """A store of 20,000 bytes, and what it has counted."""

    def __init__(self) -> None:
        self.counted: list[str] = []
        self.store = MemoryStore(20_000, self.counted.append)

    async def put(self, org_id: uuid.UUID, key: str, size: int) -> bool:
        """Return whether an entry of ``size`` bytes is kept."""
        entry = Entry(b"x" * size, frozenset(), frozenset(), "1:1:")
        return await self.store.put(org_id, key, entry, 60)


async def test_the_organisation_that_takes_most_gives_up_its_oldest() -> None:
    kept = Counting()
    await kept.put(GLOBEX, "small", 100)
    for number in range(20):
        await kept.put(ACME, f"{number}", 1_000)
        await kept.store.get(ACME, "0")

    assert await kept.store.get(GLOBEX, "small") is not None
    assert await kept.store.get(ACME, "0") is not None
    assert await kept.store.get(ACME, "1") is None
    assert kept.store.usage()[1] <= 20_000
    assert kept.counted == ["evicted"] * 8


async def test_what_takes_too_much_is_not_kept() -> None:
    kept = Counting()

    assert not await kept.put(ACME, "large", 5_000)

    assert kept.counted == ["oversized"]
    assert kept.store.usage() == (0, 0)


async def test_what_is_given_up_at_once_is_not_kept() -> None:
    kept = Counting()
    for _ in range(6):
        await kept.put(uuid.uuid4(), "a", 2_600)

    assert not await kept.put(ACME, "a", 4_000)

    assert await kept.store.get(ACME, "a") is None
    assert kept.counted == ["evicted"]


class Asked(Selection):
    """A selection that notes the keys it was asked of."""

    asked: ClassVar[list[str]] = []

    def has(self, key: str, tags: frozenset[str]) -> bool:
        """Note the key."""
        self.asked.append(key)
        return Selection.has(self, key, tags)


async def test_one_entry_is_removed_without_looking_at_others() -> None:
    kept = Counting()
    for key in ("a", "b*", "b1"):
        await kept.put(ACME, key, 10)

    for key in ("b*", "c"):
        await kept.store.remove(ACME, Asked(key=key))

    assert Asked.asked == ["b*"]
    assert [key for key in ("a", "b*", "b1") if await kept.store.get(ACME, key)] == ["a", "b1"]


async def test_an_entry_replaces_that_of_the_same_key() -> None:
    kept = Counting()
    await kept.put(ACME, "a", 1_000)
    before = kept.store.usage()

    await kept.put(ACME, "a", 1_000)

    assert kept.store.usage() == before


async def test_a_closed_store_is_empty() -> None:
    kept = Counting()
    await kept.put(ACME, "a", 10)

    await kept.store.close()

    assert kept.store.usage() == (0, 0)
