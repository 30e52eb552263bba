"""What a cache holds: results by statement, values and tenant, the least used leave first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from andamios_orm.core.dependence import Dependence, depends_on
from andamios_orm.core.freshness import question

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sqlalchemy import Dialect, Select

    from andamios_orm.core.commits import Began
    from andamios_orm.core.kept import Kept

__all__ = ["SIZE", "CacheStatistics", "Entries", "Entry", "Key", "Statement"]

SIZE: Final = 64 * 2**20
"""Bytes of results that a cache holds unless it is told otherwise."""
_PARTS: Final = 4
"""A result that takes more than one part in so many of all there may be is not kept."""
_STATEMENTS: Final = 500
_OWN_SIZE: Final = 1_000
"""About how many bytes an entry takes beside its rows."""


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """What a cache has done, and what is in it.

    ``stale`` are misses for which something older was there; ``bypassed`` are reads of
    transactions that have written; ``oversized`` results were too large to be kept.
    ``size`` and ``limit`` are bytes.
    """

    hits: int
    misses: int
    stale: int
    bypassed: int
    evicted: int
    oversized: int
    entries: int
    size: int
    limit: int

    @property
    def hit_rate(self) -> float:
        """The share of hits in all reads that asked the cache; 0 before the first."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


@dataclass(eq=False, slots=True)
class Statement:
    """A statement without its values, and the keys of its results."""

    dependence: Dependence
    question: Select[Any] | None
    """What the database is asked before a result is used; None if nothing."""
    is_known: bool = True
    keys: set[Key] = field(default_factory=set)


class Key(NamedTuple):
    """What a result is kept under."""

    statement: Statement
    values: bytes
    schemas: tuple[tuple[str, str], ...]
    tenant: tuple[type[Any], Hashable]


@dataclass(eq=False, slots=True)
class Entry:
    """A result, and as of when: no change that is not in it is counted, shown, or older."""

    kept: Kept
    began: Began
    snapshot: str | None
    time: float
    guarded: bool
    """Whether roles differ in what they see of it, so that each reader has to be asked."""
    is_exact: bool = False
    """Whether it has no change either of a commit behind the one it is as of."""


class Entries:
    """Results in bounded memory, with statistics; to be used from any thread."""

    def __init__(self, size: int) -> None:
        """Hold up to ``size`` bytes."""
        self.size = size
        self._used = 0
        self._statements: OrderedDict[Any, Statement] = OrderedDict()
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._counts = dict.fromkeys(
            ("hits", "misses", "stale", "bypassed", "evicted", "oversized"), 0
        )
        self._lock = Lock()

    def count(self, *names: str) -> None:
        """Add one to each of these statistics."""
        with self._lock:
            for name in names:
                self._counts[name] += 1

    def statistics(self) -> CacheStatistics:
        """Return what was counted, and what is held."""
        with self._lock:
            return CacheStatistics(
                **self._counts, entries=len(self._entries), size=self._used, limit=self.size
            )

    def clear(self) -> None:
        """Forget everything; what is being read now will not be stored."""
        with self._lock:
            for statement in self._statements.values():
                statement.is_known = False
            self._statements.clear()
            self._entries.clear()
            self._used = 0

    def statement(self, key: Any, statement: Any, dialect: Dialect) -> Statement:
        """Return what is known of a statement, by the key that SQLAlchemy gives it.

        Raises:
            QueryRefused: results of such a statement are not cached.
        """
        with self._lock:
            found = self._statements.get(key)
            if found is not None:
                self._statements.move_to_end(key)
                return found
        dependence = depends_on(statement, dialect)
        asked = question(dependence, dialect) if dialect.name == "postgresql" else None
        with self._lock:
            found = self._statements.setdefault(key, Statement(dependence, asked))
            if len(self._statements) > _STATEMENTS:
                self._forget(self._statements.popitem(last=False)[1])
            return found

    def get(self, key: Key) -> Entry | None:
        """Return what is kept under ``key``, as the last that will leave."""
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
            return found

    def store(self, key: Key, entry: Entry) -> None:
        """Keep ``entry``, unless it is too large, or older than what is there."""
        size = entry.kept.size + _OWN_SIZE
        with self._lock:
            if not key.statement.is_known:
                return
            if size > self.size // _PARTS:
                self._counts["oversized"] += 1
                return
            known = self._entries.get(key)
            if known is not None:
                if known.time > entry.time:
                    return
                self._remove(key)
            self._entries[key] = entry
            key.statement.keys.add(key)
            self._used += size
            while self._used > self.size:
                self._remove(next(iter(self._entries)))
                self._counts["evicted"] += 1

    def _forget(self, statement: Statement) -> None:
        statement.is_known = False
        for key in list(statement.keys):
            self._remove(key)
            self._counts["evicted"] += 1

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key)
        key.statement.keys.discard(key)
        self._used -= entry.kept.size + _OWN_SIZE
