"""Where answers lie: each organisation's apart from those of all others, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from threading import Lock
from typing import TYPE_CHECKING, Final, Protocol

from andamios_orm.models.clock import elapsed

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterable

__all__ = ["PARTS", "Entry", "MemoryStore", "Selection", "Store"]

_OWN_SIZE: Final = 500
"""About how many bytes an entry takes beside its key and its answer."""
PARTS: Final = 4
"""An answer that takes more than one part in so many of all there may be is not kept."""


@dataclass(eq=False, slots=True)
class Entry:
    """An answer as JSON, and as of when: it has every change that ``snapshot`` shows.

    ``entities`` are those whose changes make it untrue. ``epoch`` is up to which signal of a
    commit it is known, in this process, to be true.
    """

    value: bytes
    entities: frozenset[str]
    tags: frozenset[str]
    snapshot: str
    epoch: int = -1


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries of an organisation: that of ``key``, those like ``pattern``, or with a tag."""

    pattern: str = "*"
    tags: frozenset[str] | None = None
    key: str | None = None

    def has(self, key: str, tags: frozenset[str]) -> bool:
        """Return whether an entry is one of them.

        >>> Selection("related:*").has("related:7", frozenset())
        True
        >>> Selection(key="related:*").has("related:7", frozenset())
        False
        """
        tagged = self.tags is None or not self.tags.isdisjoint(tags)
        named = self.key is None or self.key == key
        return tagged and named and fnmatchcase(key, self.pattern)

    def among(self, keys: Iterable[str]) -> list[str]:
        """Return the keys to look at: of one entry its own, whether it is among them or not."""
        return list(keys) if self.key is None else [self.key]


class Store(Protocol):
    """What keeps entries of organisations, and forgets those whose time is over."""

    async def get(self, org_id: uuid.UUID, key: str) -> Entry | None:
        """Return what is kept, unless its time is over."""
        ...

    async def put(self, org_id: uuid.UUID, key: str, entry: Entry, ttl: float) -> bool:
        """Keep an entry for ``ttl`` seconds, unless it is too large; return whether it is kept."""
        ...

    async def remove(self, org_id: uuid.UUID | None, selection: Selection) -> None:
        """Remove entries, of one organisation or of all."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...

    def usage(self) -> tuple[int, int]:
        """Return how many entries there are in this process, and how many bytes they take."""
        ...


@dataclass(eq=False, slots=True)
class _Kept:
    entry: Entry
    size: int
    until: float


@dataclass(eq=False, slots=True)
class _Shelf:
    """The entries of one organisation, the one that was used last at the end."""

    kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)
    used: int = 0

    def pop(self, key: str) -> int:
        size = self.kept.pop(key).size
        self.used -= size
        return size


class MemoryStore:
    """Entries in the memory of this process.

    When it is full, the organisation that takes most gives up what it has not used for longest:
    nobody can drive out the entries of all others.
    """

    def __init__(self, size: int, count: Callable[[str], None]) -> None:
        """Hold up to ``size`` bytes, and tell ``count`` what was ``evicted`` or ``oversized``."""
        self.size = size
        self._count = count
        self._used = 0
        self._shelves: dict[uuid.UUID, _Shelf] = {}
        self._lock = Lock()

    async def get(self, org_id: uuid.UUID, key: str) -> Entry | None:
        """Return what is kept, unless its time is over."""
        with self._lock:
            shelf = self._shelves.get(org_id)
            found = None if shelf is None else shelf.kept.get(key)
            if shelf is None or found is None:
                return None
            if elapsed() >= found.until:
                self._drop(org_id, shelf, key)
                return None
            shelf.kept.move_to_end(key)
            return found.entry

    async def put(self, org_id: uuid.UUID, key: str, entry: Entry, ttl: float) -> bool:
        """Keep an entry for ``ttl`` seconds, unless it is too large; return whether it is kept."""
        size = len(entry.value) + len(key) + _OWN_SIZE
        with self._lock:
            if size > self.size // PARTS:
                self._count("oversized")
                return False
            shelf = self._shelves.setdefault(org_id, _Shelf())
            if key in shelf.kept:
                self._used -= shelf.pop(key)
            shelf.kept[key] = _Kept(entry, size, elapsed() + ttl)
            shelf.used += size
            self._used += size
            while self._used > self.size:
                self._evict()
            return key in shelf.kept

    async def remove(self, org_id: uuid.UUID | None, selection: Selection) -> None:
        """Remove entries, of one organisation or of all."""
        with self._lock:
            for owner in [org_id] if org_id is not None else list(self._shelves):
                shelf = self._shelves.get(owner, _Shelf())
                for key in selection.among(shelf.kept):
                    kept = shelf.kept.get(key)
                    if kept is not None and selection.has(key, kept.entry.tags):
                        self._drop(owner, shelf, key)

    async def close(self) -> None:
        """Forget everything."""
        await self.remove(None, Selection())

    def usage(self) -> tuple[int, int]:
        """Return how many entries there are, and how many bytes they take."""
        with self._lock:
            return sum(len(shelf.kept) for shelf in self._shelves.values()), self._used

    def _evict(self) -> None:
        org_id, shelf = max(self._shelves.items(), key=lambda item: item[1].used)
        self._drop(org_id, shelf, next(iter(shelf.kept)))
        self._count("evicted")

    def _drop(self, org_id: uuid.UUID, shelf: _Shelf, key: str) -> None:
        self._used -= shelf.pop(key)
        if not shelf.kept:
            del self._shelves[org_id]
