"""Answers that are kept for an organisation, as long as they are what the database would say.

An entry knows which transactions it has seen. A commit, of this process or of another, is a
signal: at the next hit the database is asked whether a change is there that the entry lacks.
Until then nothing is asked. So a rollback makes nothing untrue, and one who read before a
write cannot put an old answer back behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from pydantic import JsonValue, TypeAdapter

from andamios_orm.core.entries import CacheStatistics
from andamios_orm.core.freshness import oldest
from andamios_orm.core.ledger import Ledger
from andamios_orm.core.records import Entity, Record
from andamios_orm.exceptions import ConfigurationError, ValueRefused
from axai_pg.data.caching.keys import cache_key
from axai_pg.data.caching.reading import ask, entities_of, until_expiry
from axai_pg.data.caching.redis import RedisStore
from axai_pg.data.caching.settings import CacheSettings, QueryKind
from axai_pg.data.caching.signals import Began, Epochs
from axai_pg.data.caching.stores import PARTS, Entry, MemoryStore, Selection, Store
from axai_pg.data.isolation import IsolatedSession
from axai_pg.data.models import DocumentPermission

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType
    from typing import Self

    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.core.freshness import Answer
    from axai_pg.data.config.database import DatabaseManager

__all__ = ["CacheManager"]

_COUNTS: Final = ("hits", "misses", "stale", "bypassed", "evicted", "oversized")
_JSON: Final[TypeAdapter[Any]] = TypeAdapter(JsonValue)
_CACHE: Final = "_axai_cache"
"""Where what the sessions of a manager share has its cache."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a session that had no answer is about to read: as of when, and in which transaction."""

    transaction: object
    snapshot: str
    began: Began


class CacheManager:
    """The answers of one ``DatabaseManager``: ``async with CacheManager(manager) as cache``.

    They are kept for the organisation of the session, which is never an argument; without one
    nothing is kept. A session with changes of its own that are not committed reads past the
    cache, and leaves nothing in it. A cache belongs to one event loop.
    """

    def __init__(
        self,
        manager: DatabaseManager,
        settings: CacheSettings | None = None,
        *,
        store: Store | None = None,
    ) -> None:
        """Keep answers in memory, or in the Redis that the settings name, or in ``store``.

        Raises:
            ConfigurationError: the manager has a cache already; the URL of Redis is none.
            MissingExtra: the client of Redis is not installed.
        """
        if getattr(manager.isolation, _CACHE, None) is not None:
            raise ConfigurationError("this DatabaseManager has a cache: close that first")
        self.settings = settings or CacheSettings()
        self._isolation = manager.isolation
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._store = self._store_of_settings() if store is None else store
        self._readings: WeakKeyDictionary[IsolatedSession, _Reading] = WeakKeyDictionary()
        self._epochs = Epochs(manager)
        setattr(self._isolation, _CACHE, self)

    async def __aenter__(self) -> Self:
        """Return the cache."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()

    async def close(self) -> None:
        """Forget the answers that are in memory, and stop listening to the database."""
        if getattr(self._isolation, _CACHE, None) is self:
            delattr(self._isolation, _CACHE)
            await self._epochs.close()
            await self._store.close()

    @staticmethod
    def of(session: AsyncSession) -> CacheManager | None:
        """Return the cache of the manager that has made ``session``; None if there is none."""
        inner = session.sync_session
        if not isinstance(inner, IsolatedSession):
            return None
        found: CacheManager | None = getattr(inner.isolation, _CACHE, None)
        return found

    @property
    def is_listening(self) -> bool:
        """Whether the database tells of commits; if not, each hit asks it.

        Behind a pooler in transaction mode it is True and nothing is told: a commit of another
        process may be missed for about a second.
        """
        return self._epochs.now is not None

    # ---- answers -----------------------------------------------------------------

    @staticmethod
    def generate_cache_key(name: str, *arguments: object, **named: object) -> str:
        """Return a key of ``name`` and arguments; no other arguments have the same.

        Raises:
            QueryRefused: an argument cannot be told from others.
        """
        return cache_key(name, *arguments, **named)

    async def get(self, session: AsyncSession, key: str, default: Any = None) -> Any:
        """Return the answer that is kept for the organisation of ``session``, or ``default``.

        None can be an answer: pass a ``default`` of your own to tell the two apart.

        Raises:
            ConfigurationError: the session is of another manager.
        """
        found = await self.get_json(session, key)
        return default if found is None else _JSON.validate_json(found)

    async def set(
        self,
        session: AsyncSession,
        key: str,
        value: Any,
        *,
        reads: Collection[type[Any]],
        ttl: float | QueryKind = "default",
        tags: Collection[str] = (),
    ) -> bool:
        """Keep ``value``, which comes from rows of ``reads``; return whether it is kept.

        It has to be read in the transaction in which ``get()`` missed it. It is kept for
        ``ttl`` seconds, or as long as the settings say for such a kind of query; one that comes
        from ``DocumentPermission``, until the next of these expires at most.

        Raises:
            ConfigurationError: the session is of another manager; ``ttl`` is no time or kind.
            QueryRefused: changes of a model in ``reads`` are not recorded.
            ValueRefused: the value is not plain JSON.
        """
        try:
            encoded = _JSON.dump_json(_JSON.validate_python(value))
        except ValueError as error:
            raise ValueRefused(
                "a cache keeps dict, list, str, int, float, bool and None: pass those, or use "
                "cache_query on a function whose return type is annotated",
                value,
            ) from error
        return await self.set_json(session, key, encoded, reads=reads, ttl=ttl, tags=tags)

    async def get_json(self, session: AsyncSession, key: str) -> bytes | None:
        """Return the answer as JSON; None if there is none. See ``get()``."""
        inner = self._inner(session)
        org_id = inner.scope.org_id
        if org_id is None:
            return None
        self._epochs.listen()
        if await _writes(session, inner):
            self._count("bypassed")
            return None
        entry = await self._store.get(org_id, key)
        if entry is not None and await self._is_true(session, inner, entry):
            self._count("hits")
            return entry.value
        self._count("misses")
        await self._note(session, inner)
        return None

    async def set_json(
        self,
        session: AsyncSession,
        key: str,
        value: bytes,
        *,
        reads: Collection[type[Any]],
        ttl: float | QueryKind = "default",
        tags: Collection[str] = (),
    ) -> bool:
        """Keep an answer that is JSON already; return whether it is kept. See ``set()``."""
        inner = self._inner(session)
        org_id = inner.scope.org_id
        seconds = self.settings.ttl(ttl)
        entities = entities_of(frozenset(reads), inner.get_bind().dialect)
        reading = self._readings.get(inner)
        if org_id is None or reading is None or await _writes(session, inner):
            return False
        if inner.get_transaction() is not reading.transaction:
            return False
        answer = await ask(session, frozenset(), None)
        # It may have written by SQL that nobody but the server knows of.
        if answer.wrote or self._epochs.is_before_removal(reading.began):
            return False
        if DocumentPermission in reads:
            seconds = min(seconds, await until_expiry(session))
        if seconds <= 0:
            return False
        entry = Entry(value, entities, frozenset(tags), reading.snapshot)
        return await self._store.put(org_id, key, entry, seconds)

    # ---- what is no longer true --------------------------------------------------

    async def note_change(self, session: AsyncSession, *models: type[Any]) -> None:
        """Say that raw SQL in this transaction has changed rows of ``models``.

        Their answers are untrue once it commits, in all processes; what goes through the
        library says so itself.

        Raises:
            ConfigurationError: the session is of another manager, or a model has no feed.
        """
        inner = self._inner(session)
        await session.flush()
        connection = (await session.connection()).sync_connection
        assert connection is not None  # noqa: S101 - it was just opened
        for model in models:
            entity = Entity.of(model)
            if entity is None:
                raise ConfigurationError(f"changes of {model.__name__} are not recorded")
            inner.wrote(entity.name)
            Ledger.of(connection).add(Record(entity.tables, entity.name, "bulk_update"))

    async def invalidate(self, session: AsyncSession, key: str) -> None:
        """Forget an answer of the organisation of ``session``, at once."""
        await self._remove(session, Selection(key=key))

    async def invalidate_pattern(self, session: AsyncSession, pattern: str) -> None:
        """Forget the answers whose keys are like ``pattern``, as ``related:*`` is."""
        await self._remove(session, Selection(pattern))

    async def invalidate_tags(self, session: AsyncSession, *tags: str) -> None:
        """Forget the answers with one of these tags."""
        await self._remove(session, Selection(tags=frozenset(tags)))

    async def clear(self, session: AsyncSession | None = None) -> None:
        """Forget all answers of the organisation of ``session``; without one, of all."""
        if session is None:
            self._epochs.removed()
            await self._store.remove(None, Selection())
        else:
            await self._remove(session, Selection())

    # ---- how it does -------------------------------------------------------------

    def get_hit_rate(self) -> float:
        """Return the share of hits in all reads that asked the cache; 0 before the first."""
        return self.statistics().hit_rate

    def statistics(self) -> CacheStatistics:
        """Return what the cache has done in this process, of all organisations together."""
        entries, size = self._store.usage()
        return CacheStatistics(**self._counts, entries=entries, size=size, limit=self.settings.size)

    # ---- whose session it is -----------------------------------------------------

    def _inner(self, session: AsyncSession) -> IsolatedSession:
        inner = session.sync_session
        if not isinstance(inner, IsolatedSession) or inner.isolation is not self._isolation:
            raise ConfigurationError(
                "the session is not of the DatabaseManager of this cache: open it by "
                "async_session_scope() of that one"
            )
        return inner

    # ---- whether it is true ------------------------------------------------------

    async def _is_true(self, session: AsyncSession, inner: IsolatedSession, entry: Entry) -> bool:
        """Return whether the database would say the same."""
        if entry.epoch == self._epochs.now:
            return True
        answer = await ask(session, entry.entities, entry.snapshot)
        if answer.wrote or answer.changed:
            self._count("stale")
            return False
        self._renew(entry, answer, self._epochs.of(inner.connection()).epoch)
        return True

    @staticmethod
    def _renew(entry: Entry, answer: Answer, epoch: int) -> None:
        """Let the entry be as new as a transaction that has seen no change of it."""
        if (oldest(answer.snapshot) or 0) >= (oldest(entry.snapshot) or 0):
            entry.snapshot = answer.snapshot
        entry.epoch = max(entry.epoch, epoch)

    async def _note(self, session: AsyncSession, inner: IsolatedSession) -> None:
        """Note as of when the session reads, before it does."""
        transaction = inner.get_transaction()
        known = self._readings.get(inner)
        if known is None or transaction is None or known.transaction is not transaction:
            answer = await ask(session, frozenset(), None)
            began = self._epochs.of(inner.connection())
            self._readings[inner] = _Reading(inner.get_transaction(), answer.snapshot, began)

    def _store_of_settings(self) -> Store:
        settings = self.settings
        if not settings.url:
            return MemoryStore(settings.size, self._count)
        largest = settings.size // PARTS
        return RedisStore.from_url(
            settings.url, self._count, prefix=settings.prefix, largest=largest
        )

    async def _remove(self, session: AsyncSession, selection: Selection) -> None:
        org_id = self._inner(session).scope.org_id
        if org_id is not None:
            self._epochs.removed()
            await self._store.remove(org_id, selection)

    def _count(self, name: str) -> None:
        self._counts[name] += 1


async def _writes(session: AsyncSession, inner: IsolatedSession) -> bool:
    """Return whether the session has changes that others do not see."""
    if inner.new or inner.dirty or inner.deleted or inner.uncommitted is not None:
        return True
    if not inner.in_transaction():
        return False
    connection = (await session.connection()).sync_connection
    return connection is not None and Ledger.holds(connection, Record)
