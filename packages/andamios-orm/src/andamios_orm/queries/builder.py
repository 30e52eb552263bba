"""``QueryBuilder``: a query put together step by step, checked at each, run by its last call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement

# ruff: noqa: SLF001 - a builder sets up the next one
from andamios_orm.core.cache import Caching
from andamios_orm.exceptions import MoreThanOne, NotFound, QueryRefused
from andamios_orm.queries import export, files
from andamios_orm.queries.aggregations import Expression, expression_of, having_of
from andamios_orm.queries.copies import execute, instances
from andamios_orm.queries.explanation import Explain
from andamios_orm.queries.fields import field_of, mapper_of
from andamios_orm.queries.filters import (
    Filter,
    JSONCompare,
    Not,
    Period,
    Search,
    condition_of,
    from_keywords,
    json_field_of,
)
from andamios_orm.queries.json import PathElement, parse_path
from andamios_orm.queries.ordering import Order
from andamios_orm.queries.pagination import CursorPage, Page, cursor_at, leads_back
from andamios_orm.queries.plan import Plan, batch_of, label_of, loader_options, natural

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Sequence
    from pathlib import Path
    from typing import BinaryIO

    import polars as pl
    from pyarrow.lib import Table as ArrowTable
    from sqlalchemy import Result, Row, Select
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.sql.base import ExecutableOption

__all__ = ["QueryBuilder"]

ResultT = TypeVar("ResultT")
SchemaT = TypeVar("SchemaT")
ValueT = TypeVar("ValueT")

FieldName = str | InstrumentedAttribute[Any] | ColumnElement[Any]
"""A field by its name, or the attribute itself."""


class _Missing:
    """The type of what was not passed."""


_MISSING = _Missing()


class QueryBuilder(Generic[ResultT]):
    """A query for instances of a model, or for rows once it aggregates.

    Immutable: every call returns a new builder, so one can be kept and built upon.
    Names are checked against the model and values against their columns when the
    call is made; nothing that is passed becomes text of a statement.
    """

    __slots__ = ("_caching", "_plan", "_session")

    def __init__(self, model: type[ResultT], session: AsyncSession | None = None) -> None:
        """Ask for all of ``model``; the session is needed only to run it.

        Raises:
            QueryRefused: ``model`` is no mapped class.
        """
        mapper_of(model)
        self._plan = Plan(model)
        self._session = session
        self._caching: Caching | None = None

    # What is asked for

    def filter(
        self, *conditions: ColumnElement[bool] | Filter[Any], **keywords: Any
    ) -> QueryBuilder[ResultT]:
        """Return the query for rows that also meet all conditions.

        Conditions are ``Model.field == value`` or filters; keywords are
        ``field=value`` or ``field__operator=value``.

        Raises:
            UnknownField: the model has no such field.
            UnknownOperator: the field has no such comparison.
            ValueRefused: a value does not fit its field.
            QueryRefused: a condition is none, such as text.
        """
        model = self._plan.model
        found = [condition_of(model, condition) for condition in conditions]
        found.extend(keyword.where(model) for keyword in from_keywords(model, keywords))
        return self._with(conditions=(*self._plan.conditions, *found))

    def exclude(
        self, *conditions: ColumnElement[bool] | Filter[Any], **keywords: Any
    ) -> QueryBuilder[ResultT]:
        """Return the query without the rows that ``filter()`` would keep."""
        model = self._plan.model
        given = [*conditions, *from_keywords(model, keywords)]
        if not given:
            return self
        whole = condition_of(model, given[0])
        for condition in given[1:]:
            whole &= condition_of(model, condition)
        return self.filter(Not(whole))

    def filter_by_date_range(
        self, column: FieldName, start: dt.date | None = None, end: dt.date | None = None
    ) -> QueryBuilder[ResultT]:
        """Return the query for rows from ``start`` on and before ``end``.

        A day counts whole: ``end=date(2026, 1, 31)`` includes that day.
        """
        return self.filter(Period(column, start, end))

    def filter_json(
        self,
        column: FieldName,
        path: str | int | Sequence[PathElement],
        value: Any = _MISSING,
        **comparisons: Any,
    ) -> QueryBuilder[ResultT]:
        """Return the query for rows whose document has ``value`` at ``path``.

        The path is ``"$.a.b[0]"`` or a sequence of keys and positions. Other
        comparisons are keywords: ``filter_json("architecture", "$.score", ge=5)``.
        """
        steps = parse_path(path)
        json_field_of(self._plan.model, column)
        wanted = dict(comparisons)
        if not isinstance(value, _Missing):
            wanted["eq"] = value
        if not wanted:
            raise QueryRefused("pass the value to find, or a comparison such as ge=5")
        return self.filter(
            *(JSONCompare(column, steps, name, item) for name, item in wanted.items())
        )

    def search(self, text: str, columns: Iterable[FieldName] = ()) -> QueryBuilder[ResultT]:
        """Return the query for rows in which every word occurs, whatever its case.

        Without ``columns``, all text columns are searched.
        """
        return self.filter(Search(text, tuple(columns)))

    def order_by(self, *orders: FieldName | Order) -> QueryBuilder[ResultT]:
        """Return the query in this order, in place of an earlier one.

        ``"name"``, ``"-name"``, a column, ``column.desc().nulls_first()`` or an
        ``Order``. NULL comes last unless told otherwise; the primary key decides
        between equals.
        """
        query = self._with(orders=tuple(Order.of(order) for order in orders))
        if not query._plan.summarises:
            query._plan.keys()
        return query

    def limit(self, count: int | None) -> QueryBuilder[ResultT]:
        """Return the query for at most ``count`` rows."""
        return self._with(limit=natural("limit", count))

    def offset(self, count: int | None) -> QueryBuilder[ResultT]:
        """Return the query without its first ``count`` rows."""
        return self._with(offset=natural("offset", count))

    def after(self, cursor: str | None) -> QueryBuilder[ResultT]:
        """Return the query for what follows the row of ``cursor``; None begins anew."""
        return self._with(after=cursor, before=None)

    def before(self, cursor: str | None) -> QueryBuilder[ResultT]:
        """Return the query for what comes before the row of ``cursor``, next to it."""
        return self._with(before=cursor, after=None)

    def options(self, *options: ExecutableOption) -> QueryBuilder[ResultT]:
        """Return the query with options of SQLAlchemy's ORM."""
        return self._with(options=(*self._plan.options, *options))

    def load(self, *relations: str | InstrumentedAttribute[Any]) -> QueryBuilder[ResultT]:
        """Return the query that loads these relations too, one statement for each.

        A name may be a path: ``load("documents.author")``.
        """
        found = loader_options(self._plan.model, relations, deleted=self._plan.deleted)
        return self.options(*found)

    def with_deleted(self) -> QueryBuilder[ResultT]:
        """Return the query that sees soft-deleted rows as well."""
        return self._with(deleted=True)

    def distinct(self) -> QueryBuilder[ResultT]:
        """Return the query without repetitions."""
        return self._with(distinct=True)

    def with_session(self, session: AsyncSession) -> QueryBuilder[ResultT]:
        """Return the same query, to be run in ``session``."""
        query = self._with()
        query._session = session
        return query

    def cached(self, *, ttl: float | None = None, tenant: Hashable = None) -> QueryBuilder[ResultT]:
        """Return the query whose result comes from ``database.cache`` where it can.

        It is never older than without the cache, or with ``ttl`` by that many seconds.
        Instances are copies that belong to no session. ``tenant`` says for whom it is.

        Raises:
            QueryRefused: ``ttl`` is no time.
        """
        query = self._with()
        query._caching = Caching(ttl, tenant)
        return query

    # Rows in place of instances

    def group_by(self, *columns: FieldName | Expression) -> QueryBuilder[Row[Any]]:
        """Return the query for one row for each combination of values of ``columns``."""
        found = tuple(expression_of(self._plan.model, column) for column in columns)
        return self._rows(groups=(*self._plan.groups, *found))

    def aggregate(
        self,
        *expressions: FieldName | Expression | Sequence[FieldName | Expression],
        **named: FieldName | Expression,
    ) -> QueryBuilder[Row[Any]]:
        """Return the query for rows of these expressions, one row without groups.

        ``aggregate(count(), total=sum_("amount"))``, or expressions of SQLAlchemy.
        """
        given: list[Any] = []
        for expression in expressions:
            several = isinstance(expression, (list, tuple))
            given.extend(cast("Sequence[Any]", expression) if several else [expression])
        model = self._plan.model
        found = [expression_of(model, expression) for expression in given]
        found.extend(
            expression_of(model, item).label(label_of(name)) for name, item in named.items()
        )
        return self._rows(aggregates=(*self._plan.aggregates, *found))

    def having(self, *conditions: ColumnElement[bool], **named: Any) -> QueryBuilder[ResultT]:
        """Return the query for groups that meet the conditions.

        Keywords compare what ``aggregate()`` named: ``having(total__ge=100)``.
        """
        model = self._plan.model
        columns = (*self._plan.groups, *self._plan.aggregates)
        found = [condition_of(model, condition) for condition in conditions]
        found.extend(having_of(columns, name, value) for name, value in named.items())
        return self._with(having=(*self._plan.having, *found))

    def window(self, **named: ColumnElement[Any] | Expression) -> QueryBuilder[Row[Any]]:
        """Return the query for rows of the instance and these windows.

        ``window(rank=row_number(partition_by="status", order_by="-created_at"))``.
        """
        model = self._plan.model
        found = [expression_of(model, item).label(label_of(name)) for name, item in named.items()]
        return self._rows(windows=(*self._plan.windows, *found))

    # What runs it

    def statement(self) -> Select[Any]:
        """Return the statement; with ``before()`` it reads backwards."""
        return self._plan.statement()

    async def all(self) -> Sequence[ResultT]:
        """Return every row."""
        found = await self._fetch(self._plan.statement())
        return found[::-1] if self._plan.before is not None else found

    async def first(self) -> ResultT | None:
        """Return the first row in order, or None."""
        if self._plan.before is not None:
            found = await self.all()
            return found[0] if found else None
        found = await self._fetch(self._plan.limited(1))
        return found[0] if found else None

    async def one(self) -> ResultT:
        """Return the only row.

        Raises:
            NotFound: there is none.
            MoreThanOne: there are several.
        """
        found = await self.one_or_none()
        if found is None:
            raise NotFound(self._title, "of this query")
        return found

    async def one_or_none(self) -> ResultT | None:
        """Return the only row, or None.

        Raises:
            MoreThanOne: there are several.
        """
        found = await self._fetch(self._plan.limited(2))
        if len(found) > 1:
            raise MoreThanOne(self._title, "of this query")
        return found[0] if found else None

    async def count(self) -> int:
        """Return how many rows there are, whatever limit, offset and cursor say."""
        return int((await self._execute(self._plan.counted())).scalar() or 0)

    async def exists(self) -> bool:
        """Return whether there is any row."""
        return (await self._execute(self._plan.some())).first() is not None

    @overload
    async def scalars(self, column: InstrumentedAttribute[ValueT]) -> Sequence[ValueT]: ...
    @overload
    async def scalars(self, column: str | ColumnElement[Any]) -> Sequence[Any]: ...
    async def scalars(self, column: Any) -> Sequence[Any]:
        """Return the values of one column."""
        statement = self._plan.columns([field_of(self._plan.model, column)])
        found = (await self._execute(statement)).scalars().all()
        return found[::-1] if self._plan.before is not None else found

    async def stream(self, batch_size: int = 1_000) -> AsyncIterator[ResultT]:
        """Yield the rows one by one, fetched in batches, in bounded memory."""
        self._refuse_backwards()
        statement = self._plan.statement().execution_options(yield_per=batch_of(batch_size))
        session = self._require_uncached()
        if self._plan.gives_rows:
            rows = await session.stream(statement)
            async for some in rows.partitions(batch_size):  # a hop for each, not for each row
                for row in some:
                    yield cast("ResultT", row)
        else:
            items = await session.stream_scalars(statement)
            async for part in items.partitions(batch_size):
                for item in part:
                    yield item

    async def page(self, limit: int = 50, offset: int = 0) -> Page[ResultT]:
        """Return some rows, and how many there are in all."""
        limit = natural("limit", limit) or 1
        offset = natural("offset", offset) or 0
        self._refuse_backwards()
        items = await self.limit(limit).offset(offset).all()
        known = len(items) < limit and (bool(items) or offset == 0)
        total = offset + len(items) if known else await self.count()
        return Page(items, total, limit, offset)

    async def cursor_page(self, limit: int = 50, cursor: str | None = None) -> CursorPage[ResultT]:
        """Return the rows at ``cursor``, and the cursors of the pages beside them.

        Rows that come or go meanwhile neither repeat nor hide another.

        Raises:
            CursorRefused: the cursor is of another order, or altered.
        """
        query = self
        if cursor is not None:
            query = self.before(cursor) if leads_back(cursor) else self.after(cursor)
        plan = query._plan
        if plan.gives_rows or plan.distinct or plan.offset:
            raise QueryRefused("a cursor leads through instances: not with groups or offset()")
        limit = natural("limit", limit) or 1
        keys = plan.keys()
        rows = (await query._entities(replace(plan, limit=limit + 1).entities())).all()
        more = len(rows) > limit
        rows = rows[:limit]
        back = plan.before is not None
        if back:
            rows = rows[::-1]

        def at(row: Row[Any], *, back: bool) -> str:
            return cursor_at(plan.model, keys, row[1:], back=back)

        follows, precedes = (True, more) if back else (more, plan.after is not None)
        return CursorPage(
            [row[0] for row in rows],
            limit,
            next=at(rows[-1], back=False) if rows and follows else None,
            previous=at(rows[0], back=True) if rows and precedes else None,
        )

    async def dicts(self, *columns: FieldName) -> list[dict[str, Any]]:
        """Return a dict for each row, of the columns named or of all."""
        found = await self._execute(self._plan.table(columns))
        names = tuple(found.keys())
        rows = [dict(zip(names, row, strict=True)) for row in found]
        return rows[::-1] if self._plan.before is not None else rows

    async def to(self, schema: type[SchemaT]) -> list[SchemaT]:
        """Return an object of ``schema``, a pydantic model or a dataclass, for each row.

        Only the columns that it has are read.

        Raises:
            UnknownField: it needs a field that the query does not give.
        """
        fields = export.schema_fields(self._plan, schema)
        rows = await self.dicts(*(fields or ()))
        return export.shaped(schema, rows)

    async def arrow(self, *columns: FieldName) -> ArrowTable:
        """Return the result as an Arrow table, of the columns named or of all.

        Raises:
            MissingExtra: pyarrow is not installed.
        """
        self._refuse_backwards()
        return await export.table(self._require_uncached(), self._plan, columns)

    async def polars(self, *columns: FieldName) -> pl.DataFrame:
        """Return the result as a Polars frame.

        Raises:
            MissingExtra: polars is not installed.
        """
        return cast("pl.DataFrame", export.polars_frame(await self.arrow(*columns)))

    async def pandas(self, *columns: FieldName) -> Any:
        """Return the result as a pandas frame.

        Raises:
            MissingExtra: pandas is not installed.
        """
        return export.pandas_frame(await self.arrow(*columns))

    async def to_parquet(
        self, path: Path | str, *columns: FieldName, batch_size: int = 10_000
    ) -> int:
        """Write the result to a Parquet file, whole or not at all; return the number of rows."""
        self._refuse_backwards()
        return await export.to_parquet(
            self._require_uncached(), self._plan, columns, path, batch_size=batch_size
        )

    async def to_csv(self, path: Path | str, *columns: FieldName, batch_size: int = 10_000) -> int:
        """Write the result to a CSV file, whole or not at all; return the number of rows."""
        self._refuse_backwards()
        return await export.to_csv(
            self._require_uncached(), self._plan, columns, path, batch_size=batch_size
        )

    async def write_to(
        self,
        file: BinaryIO,
        form: files.Form,
        *columns: FieldName,
        batch_size: int = 1_000,
        progress: Callable[[int], None] | None = None,
    ) -> int:
        """Write the rows to an open binary file, in bounded memory; return how many they are.

        ``form`` is csv, ndjson, json, parquet or arrow, which is Arrow's format for streams.
        ``progress`` is called with the rows that are written.

        Raises:
            QueryRefused: there is no such form.
            MissingExtra: the form needs pyarrow, which is not installed.
        """
        self._refuse_backwards()
        session = self._require_uncached()
        return await files.write(
            session, self._plan, columns, file, form, batch_size=batch_size, progress=progress
        )

    async def explain(self, *, analyze: bool = False) -> str:
        """Return the database's plan for the query; ``analyze`` runs it and measures."""
        explained = Explain(self._plan.statement(), analyze=analyze)
        rows = (await self._require().execute(explained)).all()
        return "\n".join(str(row[-1]) for row in rows)

    # Inside

    @property
    def _title(self) -> str:
        return str(mapper_of(self._plan.model).class_.__name__)

    def __repr__(self) -> str:
        return f"<QueryBuilder of {self._title}>"

    def _with(self, **changes: Any) -> QueryBuilder[ResultT]:
        query = object.__new__(type(self))
        query._plan = replace(self._plan, **changes) if changes else self._plan
        query._session = self._session
        query._caching = self._caching
        return query

    def _rows(self, **changes: Any) -> QueryBuilder[Row[Any]]:
        return cast("QueryBuilder[Row[Any]]", self._with(**changes))

    def _require(self) -> AsyncSession:
        if self._session is None:
            raise QueryRefused(
                f"the query has no session to run in: QueryBuilder({self._title}, session), "
                "or with_session(session)"
            )
        return self._session

    def _require_uncached(self) -> AsyncSession:
        if self._caching is not None:
            raise QueryRefused(
                "tables, files and streams are not cached: leave out cached(), or ask for dicts()"
            )
        return self._require()

    def _refuse_backwards(self) -> None:
        if self._plan.before is not None:
            raise QueryRefused("before() reads backwards: it goes with all() and cursor_page()")

    async def _fetch(self, statement: Select[Any]) -> Sequence[ResultT]:
        if self._plan.gives_rows:
            return cast("Sequence[ResultT]", (await self._execute(statement)).all())
        found = (await self._entities(statement)).scalars()
        return cast("Sequence[ResultT]", found.unique().all())

    async def _execute(self, statement: Select[Any]) -> Result[Any]:
        """Return the result of a statement of columns."""
        return await execute(self._require(), statement, self._caching)

    async def _entities(self, statement: Select[Any]) -> Result[Any]:
        """Return the result of a statement that begins with the instance."""
        return await instances(self._require(), self._plan.model, statement, self._caching)
