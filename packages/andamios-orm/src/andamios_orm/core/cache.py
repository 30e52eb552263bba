"""Results of queries, kept as long as they are what the database would answer.

A kept result is used only if the reader would see no change that is not in it. In one
process the commits tell (``commits.py``); on PostgreSQL, where others write too, the
database is asked (``freshness.py``). So what comes from the cache is never older than
the same read without it. With ``ttl`` nothing is asked, and it may be that much older.
Results that are not up to date may follow from what was changed since (``folds.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import pickle  # nosec B403 - it tells values apart; nothing is ever loaded
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection

from andamios_orm.core.commits import Began, began, commits_of, note_begin
from andamios_orm.core.entries import SIZE, CacheStatistics, Entries, Entry, Key, Statement
from andamios_orm.core.folds import followed
from andamios_orm.core.freshness import Answer, oldest, parameters
from andamios_orm.core.kept import Kept, is_unchangeable
from andamios_orm.exceptions import ConfigurationError, QueryRefused
from andamios_orm.models.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from sqlalchemy import BindParameter, Engine, Result, Select, SelectBase
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
    from sqlalchemy.orm import Session

    from andamios_orm.core.folds import Fold

__all__ = ["CacheStatistics", "Caching", "ResultCache"]

TENANT: Final = "tenant"
"""What the info of a session calls whose rows it sees."""
_OURS: Final = "andamios_orm."

_CACHE: Final = "_andamios_cache"
_Flights = dict[tuple[asyncio.AbstractEventLoop, Key], asyncio.Future[Entry | None]]


@dataclass(frozen=True, slots=True)
class Caching:
    """How a query is cached: for how long without asking, and for whom."""

    ttl: float | None = None
    tenant: Hashable = None

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        ttl: Any = self.ttl
        if ttl is not None and not (_is_number(ttl) and 0 < ttl < math.inf):
            raise QueryRefused(f"ttl={ttl!r:.40} is refused: pass a number of seconds above 0")


class ResultCache:
    """The results of one database's queries, in bounded memory: ``database.cache``.

    A commit through the library, of whatever kind, makes the results of the tables that
    it changed stale. Raw SQL, and Core statements on tables, are not seen: call
    ``clear()`` after them, or use ``ttl``.
    """

    def __init__(self, engine: AsyncEngine | Engine, *, size: int = SIZE) -> None:
        """Keep up to ``size`` bytes of results of ``engine``; with 0, none."""
        self.entries = Entries(size)
        self.flights: _Flights = {}
        self.told: WeakKeyDictionary[Any, tuple[Statement, bytes]] = WeakKeyDictionary()
        """What is known of statements that somebody keeps, with their values."""
        self.dialect = engine.dialect
        self._notes_begin = False
        setattr(self.dialect, _CACHE, self)

    @classmethod
    def of(cls, session: AsyncSession, statement: SelectBase) -> ResultCache:
        """Return the cache of the database in which ``session`` runs ``statement``."""
        bind = session.sync_session.get_bind(clause=statement)
        found: ResultCache | None = getattr(bind.dialect, _CACHE, None)
        return found if found is not None else cls(bind.engine)

    def statistics(self) -> CacheStatistics:
        """Return what the cache has done, and what is in it."""
        return self.entries.statistics()

    def clear(self) -> None:
        """Forget all results, those of queries that are running as well."""
        self.entries.clear()

    async def execute(
        self,
        session: AsyncSession,
        statement: SelectBase,
        *,
        ttl: float | None = None,
        tenant: Hashable = None,
        fold: Fold | None = None,
    ) -> Result[Any]:
        """Return the result of a ``select()`` of columns, from the cache if it can be.

        Within a transaction that has written the query runs as if there was no cache.
        ``tenant``, or else ``session.info["tenant"]``, is part of the key. With ``fold`` a
        result that is out of date may follow what has changed.

        Raises:
            QueryRefused: changes of a table are not recorded, and there is no ``ttl``;
                or whose rows are asked for is not known.
        """
        caching = Caching(ttl, tenant)
        if self.entries.size:
            return await _Reading(self, session, statement, caching, fold).result()
        result: Result[Any] = await session.execute(cast("Select[Any]", statement))
        return result

    def note_begin(self, engine: Engine) -> None:
        """Note from now on when transactions of ``engine`` begin."""
        if not self._notes_begin:
            self._notes_begin = True
            note_begin(engine)


class _Reading:
    """One read of one session: from the cache, from another's query, or by its own."""

    def __init__(
        self,
        cache: ResultCache,
        session: AsyncSession,
        statement: Any,
        caching: Caching,
        fold: Fold | None,
    ) -> None:
        self.cache = cache
        self.fold = fold
        self.session = session
        self.statement = statement
        self.ttl = caching.ttl
        self.tenant = caching.tenant
        if self.tenant is None:
            self.tenant = session.info.get(TENANT)
        self.known, self.values = self._told_apart()
        self.bind: Any = session.sync_session.get_bind(clause=statement)
        self.connection: AsyncConnection | None = None
        self.answer: Answer | None = None
        self.wrote = False

    async def result(self) -> Result[Any]:
        """Return the result."""
        self._refuse_unsafe()
        if not await self._only_reads():
            return await self._beside()
        key = self._key()
        offered: Entry | None = None
        patient = True
        while True:
            entry, offered = offered or self.cache.entries.get(key), None
            current = None if entry is None else await self._current(key, entry)
            if current is not None:
                self.cache.entries.count("hits")
                return current.kept.result()
            flight = self._flight(key) if patient else None
            if self.wrote:
                return await self._beside()
            if flight is not None:
                await asyncio.wait([flight])
                # One who was cancelled says nothing about the query: another one leads then.
                patient = flight.cancelled()
                offered = None if patient else flight.result()
            elif not await self._prepare():
                self.cache.entries.count("misses", *(["stale"] if entry is not None else []))
                return await self._lead(key)

    # ---- what is asked for ---------------------------------------------------------

    def _told_apart(self) -> tuple[Statement, bytes]:
        """Return what is known of the statement, and its values.

        Of a statement that is asked again, as the same object, that is known already.
        """
        told = self.cache.told.get(self.statement)
        if told is not None and told[0].is_known:
            return told
        found = self.statement._generate_cache_key()  # noqa: SLF001 - what SQLAlchemy itself caches by
        if found is None:
            raise QueryRefused(
                "SQLAlchemy cannot tell this statement from others: a type or a construct of its "
                "own needs cache_ok = True, or inherit_cache = True"
            )
        known = self.cache.entries.statement(found.key, self.statement, self.cache.dialect)
        values = [bind.effective_value for bind in found.bindparams]
        given: Any = getattr(found, "params", None)  # SQLAlchemy 2.0 puts them into the binds
        try:
            told = known, pickle.dumps((values, given), protocol=5)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise QueryRefused(f"a value cannot be told from others: {error}") from error
        if given is None and all(map(_stays, found.bindparams)):
            self.cache.told[self.statement] = told
        return told

    def _refuse_unsafe(self) -> None:
        """Raise if a result could be old, or another's, without anybody knowing.

        Raises:
            QueryRefused: it says which, and what to do.
        """
        dependence = self.known.dependence
        if dependence.unrecorded is not None and self.ttl is None:
            raise QueryRefused(
                f"{dependence.unrecorded}, so nobody would know when a cached result is old: "
                f"say for how many seconds it will do, ttl=60"
            )
        if self.tenant is None and dependence.tenant_of is not None:
            raise _nobody(f"the rows of {dependence.tenant_of} belong to tenants")
        if self.tenant is None and _is_changed_on_its_way(self.session.sync_session):
            raise _nobody("a listener to do_orm_execute may change what the session reads")

    def _key(self) -> Key:
        opened = self.connection
        target: Any = self.bind if opened is None else opened.sync_connection
        options = {**target.get_execution_options(), **self.statement.get_execution_options()}
        names: dict[Any, Any] = options.get("schema_translate_map") or {}
        schemas = tuple(sorted((str(name), str(schema)) for name, schema in names.items()))
        return Key(self.known, self.values, schemas, (type(self.tenant), self.tenant))

    async def _only_reads(self) -> bool:
        """Return whether the session sees what is committed, and nothing of its own."""
        session: Session = self.session.sync_session
        if isinstance(self.bind, Connection):  # a transaction of somebody else
            return False
        if self.bind.dialect is not self.cache.dialect:
            raise ConfigurationError("this is the cache of another database than the session's")
        self.cache.note_begin(self.bind)
        if session.new or session.dirty or session.deleted:
            return False
        if not session.in_transaction():
            return True
        self.connection = await self._connect()
        if self.bind.dialect.name != "duckdb":
            return True  # it tells when it is asked
        raw: Any = await self.connection.get_raw_connection()
        only_reads: bool = raw.dbapi_connection.only_reads
        return only_reads

    def _flight(self, key: Key) -> asyncio.Future[Entry | None] | None:
        return self.cache.flights.get((asyncio.get_running_loop(), key))

    async def _prepare(self) -> bool:
        """Return whether something was left to do, so that others may have come before.

        Whoever runs the query has a connection already: those who wait for it may hold
        all the others.
        """
        if self.known.question is not None and self.answer is None:
            await self._ask(None)
        elif self.connection is None:
            self.connection = await self._connect()
        else:
            return False
        return True

    async def _connect(self) -> AsyncConnection:
        return await self.session.connection(bind_arguments={"clause": self.statement})

    # ---- what is kept ----------------------------------------------------------------

    async def _current(self, key: Key, entry: Entry) -> Entry | None:
        """Return ``entry``, or what follows from it; None if neither is what one would read."""
        if await self._is_fresh(entry):
            return entry
        fold, self.fold = self.fold, None  # it is tried once
        if fold is None or self.ttl is not None or self.known.question is not None:
            return None
        if commits_of(self.bind.dialect) is not entry.began.commits:
            return None
        found = await followed(fold, entry, self.known, self.session, self._ask_others)
        if found is not None:
            self.cache.entries.store(key, found)
        return found

    async def _ask_others(self, statement: Any, fold: Fold | None) -> Sequence[Any]:
        caching = Caching(self.ttl, self.tenant)
        return (await _Reading(self.cache, self.session, statement, caching, fold).result()).all()

    async def _is_fresh(self, entry: Entry) -> bool:
        """Return whether ``entry`` is not older than what the session would read now."""
        commits, changed = commits_of(self.bind.dialect), self.known.dependence.entities
        if commits is not entry.began.commits or not commits.unchanged(changed, entry.began.number):
            return False
        if self.ttl is not None and elapsed() - entry.time > self.ttl:
            return False
        if self.known.question is None or (self.ttl is not None and not self._has_to_ask(entry)):
            return True
        answer = await self._ask(entry.snapshot)
        entry.guarded = answer.guarded
        if answer.wrote or (answer.changed and self.ttl is None):
            return False
        if not answer.changed:
            self._renew(entry, answer)
        return True

    def _has_to_ask(self, entry: Entry) -> bool:
        """Return whether a time alone will not do: a role is often taken after BEGIN."""
        return self.connection is not None or (entry.guarded and self.tenant is None)

    async def _ask(self, snapshot: str | None) -> Answer:
        """Ask PostgreSQL, in the transaction of the session."""
        asked = self.known.question
        assert asked is not None  # noqa: S101 - on DuckDB nothing is asked
        self.connection = await self._connect()
        row = (await self.connection.execute(asked, parameters(snapshot))).one()
        answer = self.answer = Answer(*row)
        self.wrote = answer.wrote
        if answer.restricted and self.tenant is None:
            raise _nobody("row-level security decides what this session sees")
        return answer

    def _renew(self, entry: Entry, answer: Answer) -> None:
        """Let ``entry`` be as new as the transaction that has seen no change of it."""
        found = self._began()
        newer = (oldest(answer.snapshot) or 0) >= (oldest(entry.snapshot) or 0)
        if newer and found is not None and self.known.dependence.unrecorded is None:
            entry.snapshot = answer.snapshot
            entry.time = max(entry.time, found.time)

    # ---- what is read ------------------------------------------------------------------

    async def _beside(self) -> Result[Any]:
        """Return what the session reads, as if there was no cache."""
        self.cache.entries.count("bypassed")
        result: Result[Any] = await self.session.execute(self.statement)
        return result

    async def _lead(self, key: Key) -> Result[Any]:
        """Run the query, for all who wait for it as well."""
        loop = asyncio.get_running_loop()
        flight: asyncio.Future[Entry | None] = loop.create_future()
        if self._flight(key) is None:
            self.cache.flights[loop, key] = flight
        entry: Entry | None = None
        try:
            kept = Kept(await self.session.execute(self.statement))
            entry = self._entry(kept)
            if entry is not None:
                self.cache.entries.store(key, entry)
        except asyncio.CancelledError:
            flight.cancel()
            raise
        finally:
            if self._flight(key) is flight:
                del self.cache.flights[loop, key]
            with contextlib.suppress(asyncio.InvalidStateError):  # it was cancelled
                flight.set_result(entry)
        return kept.result()

    def _entry(self, kept: Kept) -> Entry | None:
        """Return what to keep; None if nobody noted when the transaction began."""
        found = self._began()
        if found is None:
            return None
        answer = self.answer
        return Entry(
            kept,
            found,
            snapshot=answer.snapshot if answer is not None else None,
            time=found.time,
            guarded=answer is not None and answer.guarded,
            is_exact=found.commits.unchanged(self.known.dependence.entities, found.number),
        )

    def _began(self) -> Began | None:
        inner = self.connection.sync_connection if self.connection is not None else None
        return began(inner) if inner is not None else None


def _stays(bind: BindParameter[Any]) -> bool:
    """Return whether a bound value will be the same the next time.

    A list given to ``in_()`` is a copy, and unnamed; that of a named value is the caller's.
    """
    if bind.callable is not None:
        return False
    if bind.expanding:
        return bind.unique and all(map(is_unchangeable, bind.value or ()))
    return is_unchangeable(bind.value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_changed_on_its_way(session: Session) -> bool:
    """Return whether somebody else than the library listens to what ``session`` executes."""
    return any(
        not str(getattr(listener, "__module__", "")).startswith(_OURS)
        for listener in session.dispatch.do_orm_execute
    )


def _nobody(reason: str) -> QueryRefused:
    return QueryRefused(
        f"{reason}, and it is not said for whom the result is: pass tenant= to cached(), or set "
        f"session.info[{TENANT!r}]"
    )
