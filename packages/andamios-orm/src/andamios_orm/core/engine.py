"""The public async object: one database with its engine, sessions and transactions."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from sqlalchemy import Column, Table, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from andamios_orm import dialect as _dialect  # noqa: F401 - makes duckdb:// ours
from andamios_orm.core import postgresql
from andamios_orm.core.cache import ResultCache
from andamios_orm.core.drivers import DRIVERS
from andamios_orm.core.grouping import GroupCommit
from andamios_orm.core.integrity import watch_keys
from andamios_orm.core.observe import observe
from andamios_orm.core.pools import AsyncPool
from andamios_orm.core.seen import SNAPSHOTS
from andamios_orm.core.session import SessionManager
from andamios_orm.core.settings import Settings
from andamios_orm.core.swallowed import watch_flushes
from andamios_orm.exceptions import AndamiosError, ConfigurationError, MissingExtra, ValueRefused

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

    import duckdb
    from sqlalchemy import URL, RowMapping
    from sqlalchemy.ext.asyncio import AsyncEngine
    from sqlalchemy.orm import InstanceState, Mapper

    from andamios_orm.core.observe import Observer

__all__ = [
    "Database",
    "GateHealth",
    "Health",
    "PoolHealth",
    "create_engine",
    "postgresql_options",
]

ModelT = TypeVar("ModelT")

_ENGINE_OPTIONS = (
    "pool_size",
    "max_overflow",
    "pool_timeout",
    "pool_recycle",
    "pool_pre_ping",
    "query_cache_size",
)
_POLL = 0.01
SNAPSHOT = "REPEATABLE READ"
"""The default on PostgreSQL: READ COMMITTED loses an update that read before it wrote."""


@dataclass(frozen=True, slots=True)
class PoolHealth:
    """Connections: in use, idle, the most there may be, and who has one for how long.

    ``limit`` is None where there is none (``max_overflow=-1``).
    """

    in_use: int
    idle: int
    limit: int | None
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateHealth:
    """The write gate: who is inside, for how many seconds, and how many wait."""

    holder: str | None
    age: float
    waiting: int


@dataclass(frozen=True, slots=True)
class Health:
    """How a database is. ``latency`` is one round trip in seconds; ``error`` says what is wrong.

    ``in_place`` is whether the file is still the one that was opened;
    ``recovered`` whether the last opening had to replay a log, as after a crash.
    """

    ok: bool
    system: str
    latency: float
    pool: PoolHealth
    gate: GateHealth | None = None
    path: str | None = None
    in_place: bool | None = None
    recovered: bool | None = None
    epoch: int | None = None
    error: str | None = field(default=None)


def create_engine(settings: Settings) -> AsyncEngine:
    """Return an async engine made from ``settings``; errors are typed on both systems.

    ``postgresql://`` means ``postgresql+psycopg://``; ``postgresql+asyncpg://`` works too.

    Raises:
        ConfigurationError: the URL names another system, or an option is unknown.
        MissingExtra: the driver is not installed.
    """
    url = settings.parsed_url
    if url.get_backend_name() != "duckdb":
        url, options = postgresql_options(settings)
        engine = create_async_engine(url, echo=settings.echo, poolclass=AsyncPool, **options)
        postgresql.guard(engine)
        watch_keys(engine)
        return engine
    if settings.isolation_level is not None:
        raise ConfigurationError(
            f"isolation_level={settings.isolation_level!r}: DuckDB's transactions are always "
            f"snapshots"
        )
    options = _pool_options(settings)
    options["connect_args"] = dict(settings.options)
    engine = create_async_engine(url, echo=settings.echo, **options)
    watch_flushes(engine.sync_engine)
    watch_keys(engine)
    return engine


def postgresql_options(settings: Settings) -> tuple[URL, dict[str, Any]]:
    """Return the URL with its driver, and what an engine on PostgreSQL is made with.

    Raises:
        ConfigurationError: the URL names another system, or an option is unknown.
        MissingExtra: the driver is not installed.
    """
    url = settings.parsed_url
    if url.drivername in {"postgresql", "postgres"}:
        url = url.set(drivername="postgresql+psycopg")
    system = url.get_backend_name()
    if system != "postgresql":
        raise ConfigurationError(
            f"{settings.safe_url!r} names {system}: use duckdb:///file.duckdb or "
            f"postgresql+psycopg://user@host/name"
        )
    driver = url.drivername.partition("+")[2]
    if driver not in DRIVERS:
        raise ConfigurationError(f"{url.drivername} is not used here: write postgresql+psycopg://")
    if settings.options:
        raise ConfigurationError(
            f"{', '.join(sorted(settings.options))}: unknown for {system}; "
            f"give such options in the URL"
        )
    if importlib.util.find_spec(module := driver.removesuffix("_async")) is None:
        extra = "asyncpg" if driver == "asyncpg" else "postgresql"
        raise MissingExtra(f"{module} is not installed: pip install 'andamios-orm[{extra}]'")
    options = _pool_options(settings)
    level = options["isolation_level"] = settings.isolation_level or SNAPSHOT
    options["execution_options"] = {SNAPSHOTS: level.upper() in {SNAPSHOT, "SERIALIZABLE"}}
    return url, options


def _pool_options(settings: Settings) -> dict[str, Any]:
    return {
        name: value for name in _ENGINE_OPTIONS if (value := getattr(settings, name)) is not None
    }


class Database(SessionManager):
    """A database: ``async with Database("duckdb:///file.duckdb") as database``.

    Nothing is opened before the first statement.
    """

    def __init__(
        self, url: str | None = None, *, settings: Settings | None = None, **options: Any
    ) -> None:
        """Describe a database by its URL, by settings, or by both.

        Raises:
            ConfigurationError: an option that makes no sense.
        """
        base = settings or Settings()
        given = options if url is None else {"url": url, **options}
        self.settings = base.with_values(given)
        super().__init__(create_engine(self.settings))
        self.observer: Observer = observe(
            self.engine, slow=self.settings.slow_query, explain=self.settings.explain_slow
        )
        self.cache = ResultCache(self.engine, size=self.settings.result_cache_size)
        self._groups = GroupCommit(self.engine)

    def __repr__(self) -> str:
        """Return the URL without its secrets."""
        return f"{type(self).__name__}({self.settings.safe_url!r})"

    async def __aenter__(self) -> Self:
        """Return the database."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()

    # ---- single writes, each with its own commit --------------------------------

    async def insert(self, target: Table | type[Any], values: Mapping[str, Any]) -> RowMapping:
        """Return the row inserted into ``target`` (a table or a model), after its commit.

        Concurrent calls share one statement and one commit; each has its own
        outcome. For anything that belongs together, use ``transaction()``.

        Raises:
            DuplicateKey: a row with this key exists; other rules raise likewise.
        ValueRefused: the table has no such column, or a value does not fit.
        """
        table = target if isinstance(target, Table) else _table(inspect(target))
        given: Any = values
        if not isinstance(given, Mapping):
            raise ValueRefused("pass a mapping of columns to values", given)
        for name in given:
            if not isinstance(name, str) or name not in table.c:
                known = ", ".join(table.c.keys())
                raise ValueRefused(f"{table.name} has only {known}", given[name], str(name))
        model = None if isinstance(target, Table) else target
        return await self._groups.insert(table, values, model=model)

    @overload
    async def create(self, model: type[ModelT], values: Mapping[str, Any]) -> ModelT: ...

    @overload
    async def create(self, model: ModelT) -> ModelT: ...

    async def create(self, model: Any, values: Mapping[str, Any] | None = None) -> Any:
        """Return a new, committed instance: ``create(User, {...})`` or ``create(User(...))``.

        It belongs to no session. Concurrent calls share a commit, as with ``insert``.
        Related instances are not stored with it: that takes a transaction.

        Raises:
            DuplicateKey: a row with this key exists; other rules raise likewise.
            ConfigurationError: the instance is not new, has related instances, or its
                model is no single table.
        """
        instance = model if values is None else model(**values)
        mapper: Mapper[Any] = inspect(type(instance))
        columns = _columns(mapper)
        new = _new_row(instance, mapper, columns)
        row = await self._groups.insert(_table(mapper), new, model=type(instance))
        for attribute, column in columns.items():
            set_committed_value(instance, attribute, row[column])
        make_transient_to_detached(instance)
        return instance

    # ---- beside the ORM ----------------------------------------------------------

    def raw(self, *, write: bool = False) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Return a context with a plain DuckDB connection to the same database.

        It blocks: use it in a thread. With ``write=True`` it holds the write gate.

        Raises:
            ConfigurationError: the database is no DuckDB, or nothing has opened it yet.
        """
        opened = self._duckdb()
        if opened is None:
            raise ConfigurationError(
                "raw() needs a DuckDB database that is open: run a statement first"
            )
        context: AbstractContextManager[duckdb.DuckDBPyConnection] = opened.raw(write=write)
        return context

    async def health(self, *, timeout: float = 5.0) -> Health:
        """Return how the database is; a database that is down is reported, not raised.

        One that does not answer within ``timeout`` seconds, for instance because all
        connections are in use, is down as well.
        """
        started = time.perf_counter()
        error: str | None = None
        try:
            async with asyncio.timeout(timeout), self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except TimeoutError:
            error = f"no answer within {timeout:g} s"
        except (AndamiosError, SQLAlchemyError, OSError) as failure:
            error = f"{type(failure).__name__}: {failure}".splitlines()[0]
        latency = time.perf_counter() - started
        return self._health(latency, error)

    async def close(self, grace: float = 5.0) -> None:
        """Close all connections; those in use have ``grace`` seconds to come back first."""
        deadline = time.monotonic() + grace
        while self._pool().in_use and time.monotonic() < deadline:  # noqa: ASYNC110 - a pool has no event
            await asyncio.sleep(_POLL)
        await self.engine.dispose()
        self.cache.clear()

    def _health(self, latency: float, error: str | None) -> Health:
        system = self.engine.dialect.name
        opened = self._duckdb()
        if opened is None:
            return Health(error is None, system, latency, self._pool(), error=error)
        holder = opened.gate.holder
        in_place = opened.in_place
        if error is None and not in_place:
            error = f"{opened.path} was deleted or replaced while it was open"
        return Health(
            ok=error is None,
            system=system,
            latency=latency,
            pool=self._pool(),
            gate=GateHealth(
                holder.owner.name if holder else None,
                holder.age if holder else 0.0,
                opened.gate.waiting,
            ),
            path=str(opened.path) if opened.path else None,
            in_place=in_place,
            recovered=opened.recovered_from_log,
            epoch=opened.epoch,
            error=error,
        )

    def _pool(self) -> PoolHealth:
        pool: Any = self.engine.pool
        overflow = pool._max_overflow  # noqa: SLF001 - SQLAlchemy does not publish its limit
        holders: list[str] = pool.holders() if hasattr(pool, "holders") else []
        return PoolHealth(
            pool.checkedout(),
            pool.checkedin(),
            pool.size() + overflow if overflow >= 0 else None,
            tuple(holders),
        )

    def _duckdb(self) -> Any:
        holder = getattr(self.engine.dialect, "holder", None)
        return holder.database if holder is not None else None


def _table(mapper: Mapper[Any]) -> Table:
    table = mapper.local_table
    if not isinstance(table, Table) or len(mapper.tables) > 1:
        raise ConfigurationError(f"{mapper.class_.__name__} is not mapped to a single table")
    return table


def _columns(mapper: Mapper[Any]) -> dict[str, Column[Any]]:
    """Return the columns of the model's table by the names of its attributes."""
    table = _table(mapper)
    return {
        attribute.key: attribute.columns[0]
        for attribute in mapper.column_attrs
        if isinstance(attribute.columns[0], Column) and attribute.columns[0].table is table
    }


def _is_left_out(value: object, column: Column[Any]) -> bool:
    """Return whether ``value`` stands for the column's default, as it does in a session."""
    return (
        value is None
        and not column.type.should_evaluate_none
        and (column.primary_key or column.default is not None or column.server_default is not None)
    )


def _new_row(
    instance: Any, mapper: Mapper[Any], columns: Mapping[str, Column[Any]]
) -> dict[str, Any]:
    """Return the values of a new instance by column."""
    state: InstanceState[Any] = inspect(instance)
    name = mapper.class_.__name__
    if not state.transient:
        raise ConfigurationError(f"this {name} is not new: save it through its session")
    for relation in mapper.relationships:
        if state.dict.get(relation.key):
            raise ConfigurationError(
                f"{name}.{relation.key} is set, and create() stores one row: add the {name} to the "
                f"session of a transaction()"
            )
    row = {
        column.key: state.dict[attribute]
        for attribute, column in columns.items()
        if attribute in state.dict and not _is_left_out(state.dict[attribute], column)
    }
    version, count = mapper.version_id_col, mapper.version_id_generator
    if version is not None and count and row.get(key := str(version.key)) is None:
        row[key] = count(None)
    return row
