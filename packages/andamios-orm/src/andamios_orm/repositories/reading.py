"""The questions that every repository answers."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, TypeVar, overload

from sqlalchemy import inspect, select
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.util import immutabledict

from andamios_orm.core.cache import Caching
from andamios_orm.exceptions import MoreThanOne, NotFound, ValueRefused
from andamios_orm.queries.builder import QueryBuilder
from andamios_orm.queries.copies import execute, instances
from andamios_orm.queries.plan import batch_of
from andamios_orm.repositories import statements
from andamios_orm.repositories.binding import Bound
from andamios_orm.repositories.events import operation
from andamios_orm.repositories.fields import fields_of
from andamios_orm.repositories.keys import Key, key_of

if TYPE_CHECKING:
    import builtins
    from collections.abc import AsyncGenerator, Hashable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Result, ScalarResult, Select
    from sqlalchemy.ext.asyncio import AsyncScalarResult, AsyncSession
    from sqlalchemy.orm import InstanceState

    from andamios_orm.core import SessionManager
    from andamios_orm.queries.filters import Filter
    from andamios_orm.repositories.fields import Fields
    from andamios_orm.repositories.statements import Load, Ordering

__all__ = ["Condition", "Reader"]

ModelT = TypeVar("ModelT")
Condition: TypeAlias = "ColumnElement[bool] | Filter[Any]"
"""What narrows a question: ``Project.status == "active"``, or a filter object."""
Options: TypeAlias = "Mapping[str, Any] | None"
_LIMIT = 100


class Reader(Bound[ModelT]):
    """Rows of one model, to be read.

    Every question leaves soft-deleted rows out, unless it says ``with_deleted=True``
    or is asked of ``repository.with_deleted()``; relations that it loads as well.
    Conditions come first, then fields by name (``status="active"``,
    ``name__startswith="a"``); both are checked before anything is sent.
    """

    loaded_by_key: ClassVar[Load] = ()
    """What ``get`` and ``get_by_id`` load unless they are told by ``load=``."""

    def __init__(
        self, source: AsyncSession | SessionManager, model: type[ModelT] | None = None
    ) -> None:
        """Work on a session, or on a database where each call has its own transaction.

        Raises:
            ConfigurationError: there is no model, or ``source`` is neither of the two.
        """
        super().__init__(source, model)
        self.fields: Fields = fields_of(self.mapper)
        self._with_deleted = False

    def scope(self) -> Sequence[Condition]:
        """Return conditions that hold for every row this repository finds or changes.

        To be overridden: an owner, a tenant, a viewer. Rows outside do not exist for it.
        """
        return ()

    def with_deleted(self) -> Self:
        """Return this repository with soft-deleted rows in sight."""
        twin = copy.copy(self)
        twin._with_deleted = True  # noqa: SLF001 - its own class
        return twin

    def cached(self, *, ttl: float | None = None, tenant: Hashable = None) -> Self:
        """Return this repository with results from ``database.cache`` where they can be.

        What it answers is never older than without the cache, or with ``ttl`` by that
        many seconds. Instances are copies without relations, in no session. Its writes,
        and ``stream()``, ``history()`` and ``as_of()``, are those of this repository.
        """
        twin = copy.copy(self)
        twin._caching = Caching(ttl, tenant)  # noqa: SLF001 - its own class
        return twin

    def query(self) -> QueryBuilder[ModelT]:
        """Return a query builder on the session, within the scope of this repository."""
        builder = QueryBuilder(self.model, self.session).filter(*self.scope())
        if self._caching is not None:
            builder = builder.cached(ttl=self._caching.ttl, tenant=self._caching.tenant)
        return builder.with_deleted() if self._with_deleted else builder

    # ---- one row -----------------------------------------------------------------

    @operation()
    async def get(
        self,
        key: Key,
        *,
        load: Load | None = None,
        with_deleted: bool = False,
        execution_options: Options = None,
    ) -> ModelT:
        """Return the row with a key, as it is now.

        Raises:
            NotFound: there is none.
            ValueRefused: the key does not fit its column.
        """
        found = await self._find(key, load, execution_options, with_deleted=with_deleted)
        if found is None:
            raise self._not_found(key)
        return found

    @operation()
    async def get_by_id(
        self,
        key: Key,
        *,
        load: Load | None = None,
        with_deleted: bool = False,
        execution_options: Options = None,
    ) -> ModelT | None:
        """Return the row with a key, as it is now, or None.

        Raises:
            ValueRefused: the key does not fit its column.
        """
        return await self._find(key, load, execution_options, with_deleted=with_deleted)

    @operation()
    async def get_one(
        self,
        *conditions: Condition | Key,
        load: Load = (),
        with_deleted: bool = False,
        execution_options: Options = None,
        **filters: Any,
    ) -> ModelT:
        """Return the one row that matches conditions: ``get_one(slug="a")``, or a key.

        Raises:
            NotFound: there is none.
            MoreThanOne: there are several.
        """
        found = await self._one(conditions, filters, load, execution_options, deleted=with_deleted)
        if found is None:
            raise self._not_found(described(conditions, filters))
        return found

    @operation()
    async def get_one_or_none(
        self,
        *conditions: Condition | Key,
        load: Load = (),
        with_deleted: bool = False,
        execution_options: Options = None,
        **filters: Any,
    ) -> ModelT | None:
        """Return the one row that matches conditions, or a key, or None.

        Raises:
            MoreThanOne: there are several.
        """
        return await self._one(conditions, filters, load, execution_options, deleted=with_deleted)

    @operation()
    async def first(
        self,
        *conditions: Condition,
        order_by: Ordering = (),
        load: Load = (),
        with_deleted: bool = False,
        execution_options: Options = None,
        **filters: Any,
    ) -> ModelT | None:
        """Return the first row that matches, by ``order_by`` and then by key, or None."""
        statement = self._select(conditions, filters, load, with_deleted=with_deleted)
        statement = statements.ordered(statement, self.mapper, order_by).limit(1)
        return (await self._scalars(statement, execution_options)).first()

    # ---- many rows ---------------------------------------------------------------

    @overload
    async def list(
        self,
        limit: int | None = ...,
        offset: int = ...,
        *conditions: Condition,
        order_by: Ordering = ...,
        load: Load = ...,
        with_deleted: bool = ...,
        execution_options: Options = ...,
        **filters: Any,
    ) -> builtins.list[ModelT]: ...

    @overload
    async def list(
        self,
        *conditions: Condition,
        limit: int | None = ...,
        offset: int = ...,
        order_by: Ordering = ...,
        load: Load = ...,
        with_deleted: bool = ...,
        execution_options: Options = ...,
        **filters: Any,
    ) -> builtins.list[ModelT]: ...

    @operation()
    async def list(
        self,
        *conditions: Any,
        limit: int | None = _LIMIT,
        offset: int = 0,
        order_by: Ordering = (),
        load: Load = (),
        with_deleted: bool = False,
        execution_options: Options = None,
        **filters: Any,
    ) -> builtins.list[ModelT]:
        """Return the rows that match, by ``order_by`` and then by key: 100, or ``limit``.

        ``list(20, 40)`` is the third page of 20; ``limit=None`` is all of them. The
        first two arguments may be left out: ``list(Project.status == "active")``.
        """
        conditions, limit, offset = statements.window(conditions, limit, offset)
        statement = self._select(conditions, filters, load, with_deleted=with_deleted)
        statement = statements.ordered(statement, self.mapper, order_by)
        statement = statement.limit(limit).offset(offset or None)
        return list((await self._scalars(statement, execution_options)).all())

    @operation()
    async def list_and_count(
        self,
        *conditions: Any,
        limit: int | None = _LIMIT,
        offset: int = 0,
        order_by: Ordering = (),
        load: Load = (),
        with_deleted: bool = False,
        execution_options: Options = None,
        **filters: Any,
    ) -> tuple[builtins.list[ModelT], int]:
        """Return what ``list`` returns, and how many match in all, of one snapshot."""
        conditions, limit, offset = statements.window(conditions, limit, offset)
        counted = statements.counted(
            self.mapper, self._where(conditions, filters, with_deleted=with_deleted)
        )
        total = (await self._execute(counted, execution_options)).scalar_one()
        statement = self._select(conditions, filters, load, with_deleted=with_deleted)
        statement = statements.ordered(statement, self.mapper, order_by)
        statement = statement.limit(limit).offset(offset or None)
        return list((await self._scalars(statement, execution_options)).all()), total

    async def stream(
        self,
        *conditions: Condition,
        order_by: Ordering = (),
        load: Load = (),
        with_deleted: bool = False,
        batch_size: int = 1_000,
        execution_options: Options = None,
        **filters: Any,
    ) -> AsyncGenerator[ModelT, None]:
        """Yield the rows that match one by one, with ``batch_size`` of them in memory.

        Without ``order_by`` they come as the database has them: an order has to be made of
        all of them before the first one comes. Whoever breaks off early closes
        it: ``async with contextlib.aclosing(...)``.
        """
        async with self.uncached().reading() as inner:
            rows = await inner._open(  # noqa: SLF001 - its own class
                *conditions,
                order_by=order_by,
                load=load,
                with_deleted=with_deleted,
                execution_options={**(execution_options or {}), "yield_per": batch_of(batch_size)},
                **filters,
            )
            try:
                async for part in rows.partitions(batch_size):  # a hop for each, not for each row
                    for row in part:
                        yield row
            finally:
                await rows.close()

    @operation()
    async def count(
        self,
        *conditions: Condition,
        with_deleted: bool = False,
        execution_options: Options = None,
        **filters: Any,
    ) -> int:
        """Return how many rows match."""
        where = self._where(conditions, filters, with_deleted=with_deleted)
        statement = statements.counted(self.mapper, where)
        total: int = (await self._execute(statement, execution_options)).scalar_one()
        return total

    @operation()
    async def exists(
        self,
        *conditions: Condition,
        with_deleted: bool = False,
        execution_options: Options = None,
        **filters: Any,
    ) -> bool:
        """Return whether a row matches."""
        where = self._where(conditions, filters, with_deleted=with_deleted)
        statement = statements.existing(self.mapper, where)
        return (await self._execute(statement, execution_options)).first() is not None

    # ---- what the questions are made of ------------------------------------------

    def _where(
        self,
        conditions: Sequence[Condition],
        filters: Mapping[str, Any],
        *,
        with_deleted: bool = False,
    ) -> builtins.list[ColumnElement[bool]]:
        """Return all that a row has to meet."""
        where = statements.conditions(self.mapper, (*self.scope(), *conditions), filters)
        if self.fields.deleted is not None and not (with_deleted or self._with_deleted):
            where.append(statements.alive(self.mapper))
        return where

    def _select(
        self,
        conditions: Sequence[Condition],
        filters: Mapping[str, Any],
        load: Load,
        *,
        with_deleted: bool = False,
    ) -> Select[ModelT]:
        where = self._where(conditions, filters, with_deleted=with_deleted)
        deleted = with_deleted or self._with_deleted
        return (
            select(self.model)
            .where(*where)
            .options(*statements.loading(self.mapper, load, with_deleted=deleted))
        )

    async def _find(
        self,
        key: Key,
        load: Load | None = None,
        execution_options: Options = None,
        *,
        with_deleted: bool = False,
    ) -> ModelT | None:
        """Return the row with a key as it is in the database now."""
        parts = key_of(self.fields, key)
        wanted = self.loaded_by_key if load is None else load
        condition = statements.with_key(self.mapper, parts)
        statement = self._select([condition], {}, wanted, with_deleted=with_deleted)
        known = self._in_session([parts])
        with loaded_relations(known):
            statement = statements.refreshing(statement, known)
            return (await self._scalars(statement, execution_options)).one_or_none()

    async def _fresh(
        self, condition: ColumnElement[bool], keys: Sequence[tuple[Any, ...]] = ()
    ) -> Sequence[ModelT]:
        """Return the rows that meet a condition; those with ``keys`` as they are now."""
        known = self._in_session(keys)
        with loaded_relations(known):
            statement = statements.refreshing(self._select([condition], {}, ()), known)
            return (await self._scalars(statement, None)).all()

    async def _one(
        self,
        conditions: Sequence[Any],
        filters: Mapping[str, Any],
        load: Load = (),
        execution_options: Options = None,
        *,
        deleted: bool = False,
    ) -> ModelT | None:
        """Return the row that matches; a condition that is none is a key."""
        conditions = [self._condition(one) for one in conditions]
        if not conditions and not filters:
            raise ValueRefused("say which row: by key, by conditions or by fields", None)
        statement = self._select(conditions, filters, load, with_deleted=deleted)
        rows = (await self._scalars(statement.limit(2), execution_options)).all()
        if len(rows) > 1:
            raise MoreThanOne(self.model.__name__, described(conditions, filters))
        return rows[0] if rows else None

    async def _scalars(
        self, statement: Select[ModelT], execution_options: Options
    ) -> ScalarResult[ModelT]:
        result = await instances(
            self.session, self.model, statement, self._caching, execution_options
        )
        return result.scalars()

    async def _execute(self, statement: Select[Any], execution_options: Options) -> Result[Any]:
        return await execute(self.session, statement, self._caching, execution_options)

    @operation(name="stream")
    async def _open(
        self,
        *conditions: Condition,
        order_by: Ordering,
        load: Load,
        with_deleted: bool,
        execution_options: Options,
        **filters: Any,
    ) -> AsyncScalarResult[ModelT]:
        statement = self._select(conditions, filters, load, with_deleted=with_deleted)
        if not (isinstance(order_by, (tuple, list)) and not order_by):
            statement = statements.ordered(statement, self.mapper, order_by)
        return await self.session.stream_scalars(
            statement, execution_options=execution_options or immutabledict()
        )

    def _in_session(self, keys: Sequence[tuple[Any, ...]]) -> builtins.list[ModelT]:
        """Return the instances that the session has already; their columns may be old."""
        session = self.session.sync_session
        if not session.autoflush:
            return []  # to renew them would undo what is not flushed
        identity = self.mapper.identity_key_from_primary_key
        known = (session.identity_map.get(identity(key)) for key in keys)
        return [instance for instance in known if instance is not None]

    def _condition(self, given: Any) -> Condition:
        if statements.is_condition(given):
            condition: Condition = given
            return condition
        return statements.with_key(self.mapper, key_of(self.fields, given))

    def _not_found(self, key: object) -> NotFound:
        return NotFound(self.model.__name__, key)


def described(conditions: Sequence[Any], filters: Mapping[str, Any]) -> str:
    """Return what was asked for, without the values of conditions."""
    asked = [f"{name}={value!r:.80}" for name, value in filters.items()]
    asked += ["a condition" if statements.is_condition(one) else str(one) for one in conditions]
    return f"with {', '.join(asked)}"


@contextmanager
def loaded_relations(instances: Sequence[object]) -> Iterator[None]:
    """Keep the relations that ``instances`` have loaded while their columns are renewed."""
    kept = []
    for instance in instances:
        state: InstanceState[object] = inspect(instance)
        names = state.mapper.relationships.keys() & state.dict.keys()
        kept.append((state, {name: state.dict[name] for name in names}))
    yield
    for state, relations in kept:
        for name, value in relations.items():
            if name not in state.dict:
                set_committed_value(state.obj(), name, value)
