"""What a result depends on: the tables that its statement reads, and who records their changes.

The statement is compiled for it, by a compiler that looks at what it passes: joins,
subqueries, association tables and what options add are all among it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Select, SelectBase, Table, inspect
from sqlalchemy.orm import mapperlib
from sqlalchemy.orm.util import AliasedInsp

from andamios_orm.core.records import Entity, all_mappers
from andamios_orm.exceptions import QueryRefused
from andamios_orm.models.feed import FeedTables, feed_tables, kept_with_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Dialect, MetaData
    from sqlalchemy.orm import Mapper

__all__ = ["Dependence", "depends_on"]

_CHANGING: Final = frozenset(
    {
        "now",
        "today",
        "random",
        "sysdate",
        "timeofday",
        "localtime",
        "localtimestamp",
        "current_date",
        "current_time",
        "current_timestamp",
        "clock_timestamp",
        "statement_timestamp",
        "transaction_timestamp",
        "get_current_time",
        "get_current_timestamp",
        "uuid",
        "uuidv4",
        "uuidv7",
        "gen_random_uuid",
        "nextval",
        "currval",
    }
)
"""Functions that give something else each time, although no row was changed."""
_VALUE: Final = re.compile(r"\*|\d+|'[^']*'|null|true|false", re.IGNORECASE)
"""Raw text in a statement that can be seen to read no table."""
_FOLLOWS: Final = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
"""Actions of a foreign key by which the database itself changes the child."""


@dataclass(frozen=True, eq=False)
class Dependence:
    """What a result depends on.

    ``unrecorded`` says what could change without a record; None if nothing can.
    ``tenant_of`` names a model whose rows belong to tenants, if there is one.
    """

    tables: tuple[Table, ...]
    entities: frozenset[str]
    feeds: tuple[tuple[FeedTables, frozenset[str]], ...]
    unrecorded: str | None = None
    tenant_of: str | None = None


def depends_on(statement: Any, dialect: Dialect) -> Dependence:
    """Return what the result of ``statement`` depends on.

    Raises:
        QueryRefused: it is no SELECT of plain columns, or it locks or writes.
    """
    _refuse_others(statement)
    seen = _compiled(statement, dialect)
    if seen.writes:
        raise QueryRefused("the statement writes: run it on the session, without the cache")
    mappers = list(all_mappers())
    by_feed: dict[int, tuple[FeedTables, set[str]]] = {}
    unrecorded = seen.unknown
    for table in _with_parents(seen.tables):
        names = _names(table, mappers)
        if names is None:
            unrecorded = unrecorded or f"changes of {table.name} are not recorded"
            continue
        feed = feed_tables(table.metadata)
        by_feed.setdefault(id(feed), (feed, set()))[1].update(names)
    feeds = tuple((feed, frozenset(names)) for feed, names in by_feed.values())
    return Dependence(
        tables=tuple(seen.tables),
        entities=frozenset().union(*(names for _, names in feeds)),
        feeds=feeds,
        unrecorded=unrecorded,
        tenant_of=_tenant_of(seen.tables, mappers),
    )


def _refuse_others(statement: Any) -> None:
    if not isinstance(statement, SelectBase):
        raise QueryRefused(
            f"only the results of a select() are cached, not of {type(statement).__name__}"
        )
    if getattr(statement, "_for_update_arg", None) is not None:
        raise QueryRefused("a statement that locks rows is not cached: leave one of the two out")
    described = statement.column_descriptions if isinstance(statement, Select) else []
    for each in described:
        entity = inspect(each["expr"], raiseerr=False)
        if isinstance(entity, (mapperlib.Mapper, AliasedInsp)):
            raise QueryRefused(
                f"the statement selects whole instances of {each['name']}, and a cached result is "
                f"of columns: select those, or use QueryBuilder.cached(), dicts() or to(Schema)"
            )


# ---- the tables -------------------------------------------------------------------


class _Seen:
    """What a compiler has come across."""

    def __init__(self) -> None:
        self.tables: dict[Table, None] = {}
        self.unknown: str | None = None
        self.writes = False


class _Looking:
    """What is put in front of a dialect's compiler, so that it notes what it compiles."""

    def __init__(self, dialect: Dialect, statement: Any) -> None:
        self.seen = _Seen()
        super().__init__(dialect, statement)  # type: ignore[call-arg]  # a compiler takes these

    def visit_table(self, table: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(table, Table):
            self.seen.tables[table.metadata.tables.get(table.key, table)] = None
        else:
            self.seen.unknown = f"{table.name} is no Table with a model, nobody records its changes"
        return super().visit_table(table, *arguments, **options)  # type: ignore[misc]

    def visit_textclause(self, clause: Any, *arguments: Any, **options: Any) -> Any:
        self.seen.unknown = "what text() reads is not known"
        return super().visit_textclause(clause, *arguments, **options)  # type: ignore[misc]

    def visit_column(self, column: Any, *arguments: Any, **options: Any) -> Any:
        if column.is_literal and not _VALUE.fullmatch(str(column.name)):
            self.seen.unknown = "what literal_column() reads is not known"
        return super().visit_column(column, *arguments, **options)  # type: ignore[misc]

    def visit_function(self, called: Any, *arguments: Any, **options: Any) -> Any:
        if called.name.lower() in _CHANGING:
            self.seen.unknown = f"{called.name}() gives something else each time"
        return super().visit_function(called, *arguments, **options)  # type: ignore[misc]

    def visit_sequence(self, sequence: Any, *arguments: Any, **options: Any) -> Any:
        self.seen.writes = True
        return super().visit_sequence(sequence, *arguments, **options)  # type: ignore[misc]

    def visit_insert(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        self.seen.writes = True
        return super().visit_insert(statement, *arguments, **options)  # type: ignore[misc]

    def visit_update(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        self.seen.writes = True
        return super().visit_update(statement, *arguments, **options)  # type: ignore[misc]

    def visit_delete(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        self.seen.writes = True
        return super().visit_delete(statement, *arguments, **options)  # type: ignore[misc]


@cache
def _looking(kind: type[Any]) -> Any:
    return type("Looking", (_Looking, kind), {})


def _compiled(statement: Any, dialect: Dialect) -> _Seen:
    kind: Any = dialect.statement_compiler
    seen: _Seen = _looking(kind)(dialect, statement).seen
    return seen


def _with_parents(tables: Iterable[Table]) -> list[Table]:
    """Return the tables, and those whose deletes or new keys the database passes on to them."""
    found = dict.fromkeys(tables)
    waiting = list(found)
    while waiting:
        for key in waiting.pop().foreign_key_constraints:
            actions = {(key.ondelete or "").upper(), (key.onupdate or "").upper()}
            if not _FOLLOWS.isdisjoint(actions) and key.referred_table not in found:
                found[key.referred_table] = None
                waiting.append(key.referred_table)
    return list(found)


# ---- their models -----------------------------------------------------------------


def _of(table: Table, mappers: Iterable[Mapper[Any]]) -> list[Mapper[Any]]:
    return [
        mapper
        for mapper in mappers
        if isinstance(mapper.local_table, Table) and table in mapper.tables
    ]


def _names(table: Table, mappers: Iterable[Mapper[Any]]) -> set[str] | None:
    """Return what records of changes call the rows of ``table``; None if some leave none."""
    own = Entity.of(table)
    if own is None:
        return None
    feed = own.tables
    if table in (feed.changes, feed.history, feed.followers):
        return None
    kept_with = kept_with_of(table)
    if kept_with is not None:
        return _names_of_all(table.metadata, kept_with, mappers)
    names = {own.name}
    for mapper in _of(table, mappers):
        entity = Entity.of(mapper)
        if entity is None:
            return None
        names.add(entity.name)
    return names


def _names_of_all(
    metadata: MetaData, tables: Iterable[str], mappers: Iterable[Mapper[Any]]
) -> set[str] | None:
    """Return what records call the rows of ``tables``; None if one of them leaves none."""
    names: set[str] = set()
    for key in tables:
        found = _names(metadata.tables[key], mappers) if key in metadata.tables else None
        if found is None:
            return None
        names |= found
    return names


def _tenant_of(tables: Iterable[Table], mappers: Iterable[Mapper[Any]]) -> str | None:
    for table in tables:
        for mapper in _of(table, mappers):
            if getattr(mapper.class_, "__tenant__", None) is not None:
                return mapper.class_.__name__
    return None
