"""Which entities the commits of this process have changed, and which are about to.

An entity is *under way* from right before a COMMIT is sent until its outcome is known;
then its number rises. So whoever noted the number of commits before a snapshot began
can tell later whether an entity is still as that snapshot showed it; and of models with
``__remembered__``, which rows the commits since then have changed, unless these were many.
"""

from __future__ import annotations

from collections import Counter, deque
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import event

from andamios_orm.models.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, MutableMapping, Sequence

    from sqlalchemy import Connection, Dialect, Engine

    from andamios_orm.models.written import WrittenRow

    Changed = Mapping[str, Sequence[WrittenRow] | None]

__all__ = [
    "MOST_ROWS",
    "Began",
    "Commits",
    "Cut",
    "began",
    "commits_of",
    "commits_through",
    "note_begin",
    "note_changed",
    "take_changed",
]

MOST_ROWS: Final = 100
"""How many rows of an entity are remembered, of its last commits."""

# What is kept in the ``info`` of a connection.
_BEGAN: Final = "andamios.began"
_CHANGED: Final = "andamios.changed"


class Cut(NamedTuple):
    """The rows that commits have changed, up to the one with a number."""

    number: int
    rows: list[WrittenRow]


class Commits:
    """The commits to one database: how many, the last one of each entity, and its last rows."""

    __slots__ = (
        "__weakref__", "_known", "_last", "_lock", "_rows", "_under_way", "_unordered", "count",
    )  # fmt: skip

    def __init__(self) -> None:
        """Begin to count."""
        self.count = 0
        self._last: dict[str, int] = {}
        self._known: dict[str, int] = {}  # behind which number all rows are there
        self._rows: dict[str, deque[tuple[int, WrittenRow]]] = {}
        self._under_way: Counter[str] = Counter()
        self._unordered: set[str] = set()  # of which commits were under way at the same time
        self._lock = Lock()

    def begin(self, entities: Collection[str]) -> None:
        """Note that a COMMIT which changes ``entities`` is about to be sent."""
        with self._lock:
            self._unordered |= self._under_way.keys() & set(entities)
            self._under_way.update(entities)

    def end(self, changed: Changed) -> None:
        """Note that its outcome is known; a failure counts as well, which does no harm.

        ``changed`` has the rows of each entity, or None where they are not known.
        """
        with self._lock:
            self.count += 1
            self._last.update(dict.fromkeys(changed, self.count))
            for entity, rows in changed.items():
                self._under_way[entity] -= 1
                self._remember(entity, None if entity in self._unordered else rows)
            self._under_way = +self._under_way
            self._unordered &= self._under_way.keys()

    def _remember(self, entity: str, rows: Sequence[WrittenRow] | None) -> None:
        if rows is None or len(rows) > MOST_ROWS:
            self._known[entity] = self.count
            self._rows.pop(entity, None)
            return
        kept = self._rows.setdefault(entity, deque())
        kept.extend((self.count, row) for row in rows)
        while len(kept) > MOST_ROWS:
            self._known[entity], _ = kept.popleft()

    def rows(self, entity: str, since: int) -> Cut | None:
        """Return the rows of ``entity`` that commits behind number ``since`` have changed.

        None if one of these is not known, or under way.
        """
        with self._lock:
            if entity in self._under_way or self._known.get(entity, 0) > since:
                return None
            kept = self._rows.get(entity, ())
            return Cut(self.count, [row for number, row in kept if number > since])

    def unchanged(self, entities: Collection[str], since: int) -> bool:
        """Return whether no commit behind number ``since`` has changed, or may have changed, them.

        It takes no lock: what is under way is looked at first, and is removed last.
        """
        under_way, last = self._under_way, self._last
        return all(entity not in under_way and last.get(entity, 0) <= since for entity in entities)


_COMMITS: WeakKeyDictionary[Any, Commits] = WeakKeyDictionary()
_LOCK = Lock()


def commits_of(dialect: Any) -> Commits | None:
    """Return the commits to the database of an engine's dialect; None if it is not open.

    All engines of a process share those to one DuckDB file. On PostgreSQL every engine
    has its own: those of others have to be asked for anyway.
    """
    if dialect.name != "duckdb":
        return _commits_to(dialect)
    database = dialect.holder.database
    return None if database is None else _commits_to(database)


def commits_through(dialect: Dialect, connection: Any) -> Commits:
    """Return the commits to the database that a connection of the pool leads to."""
    if dialect.name != "duckdb":
        return _commits_to(dialect)
    return _commits_to(connection.dbapi_connection.database)


def _commits_to(target: Any) -> Commits:
    found = _COMMITS.get(target)
    if found is None:
        with _LOCK:
            found = _COMMITS.setdefault(target, Commits())
    return found


# ---- what a transaction has changed ----------------------------------------------


def note_changed(
    connection: Connection, entity: str, rows: Sequence[WrittenRow] | None = None
) -> None:
    """Keep that the COMMIT of this transaction will change an entity: these rows, if known."""
    changed = connection.info.setdefault(_CHANGED, {})
    known = changed.setdefault(entity, [])
    if known is None or rows is None or len(known) + len(rows) > MOST_ROWS:
        changed[entity] = None
    else:
        known.extend(rows)


def take_changed(info: MutableMapping[Any, Any]) -> Changed:
    """Return what was kept in the info of a connection, and forget it."""
    changed: Changed = info.pop(_CHANGED, {})
    return changed


# ---- when a transaction began ------------------------------------------------------


class Began(NamedTuple):
    """The number of the last commit before a transaction began, and when that was."""

    commits: Commits
    number: int
    time: float


def note_begin(engine: Engine) -> None:
    """Keep for each transaction of ``engine`` when it began."""
    target: Any = getattr(engine, "_proxied", engine)  # what execution_options() returns
    if not event.contains(target, "begin", _note):
        event.listen(target, "begin", _note)
        event.listen(target, "begin_twophase", _note)


def _note(connection: Connection, *_: object) -> None:
    """Note it before BEGIN: the snapshot shows every commit that is counted."""
    commits = commits_through(connection.dialect, connection.connection)
    connection.info[_BEGAN] = Began(commits, commits.count, elapsed())


def began(connection: Connection) -> Began | None:
    """Return when the transaction of ``connection`` began; None if nobody noted it."""
    found: Began | None = connection.info.get(_BEGAN)
    return found
