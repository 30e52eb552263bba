"""Foreign keys on DuckDB, kept by the library: checked in the hop of COMMIT, like deferred ones.

DuckDB's own foreign keys forbid what is allowed (a parent with children cannot be updated)
and allow what is forbidden (a parent deleted beside a new child leaves an orphan). So
models of ours have none there. What a flush, a single create or a bulk has touched is
checked before COMMIT instead, under the write gate: a violation stores nothing. Core
statements and raw SQL are not seen; ``check_integrity()`` finds what they broke.

On PostgreSQL keys are real, and nothing here is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from sqlalchemy import ClauseElement, event, func, select
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import PassiveFlag, Session
from sqlalchemy.orm.base import NO_VALUE, instance_state

from andamios_orm.core.ledger import (
    Entry,
    Ledger,
    before_commit,
    is_watched,
    refuse_autocommit,
    watch,
)
from andamios_orm.core.links import Keys, Link, Links, Lookup, Plan, checks_keys, is_checked_here
from andamios_orm.dialect.calls import Further
from andamios_orm.exceptions import ForeignKeyViolation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Engine, MetaData, Table
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
    from sqlalchemy.orm import InstanceState, Mapper

    from andamios_orm.dialect.calls import AtCommit, Row

__all__ = [
    "Orphan",
    "check_integrity",
    "check_removed",
    "check_rows",
    "check_values",
    "watch_keys",
]


# ---- what is checked at commit ---------------------------------------------------


@dataclass(eq=False)
class TouchedKeys(Entry):
    """Keys that were written to children, or taken from parents; None stands for all keys."""

    turn: ClassVar[int] = 10

    children: dict[Link, Keys | None] = field(default_factory=dict)
    parents: dict[Link, Keys | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether there is anything to check."""
        return bool(self.children or self.parents)

    @classmethod
    def settle(cls, connection: Connection, entries: Sequence[TouchedKeys]) -> None:
        """Look up every key once; each link takes one statement for each of its ends."""
        for link, keys in _merged(entry.children for entry in entries).items():
            _check_children(connection, link, keys)
        for link, keys in _merged(entry.parents for entry in entries).items():
            _check_parents(connection, link, keys)


def _merged(each: Iterable[Mapping[Link, Keys | None]]) -> dict[Link, Keys | None]:
    merged: dict[Link, Keys | None] = {}
    for touched in each:
        for link, keys in touched.items():
            _touch(merged, link, keys)
    return merged


def _touch(touched: dict[Link, Keys | None], link: Link, keys: Keys | None) -> None:
    """Add ``keys`` to those of ``link``; once all are to be looked at, that is enough."""
    known = touched.setdefault(link, {})
    if known is None or keys is None:
        touched[link] = None
    else:
        known.update(keys)


def _check_children(connection: Connection, link: Link, keys: Keys | None) -> None:
    lookup = Lookup(connection, link)
    text, parameters = lookup.orphans(keys)
    refuse = _refuse_orphan(connection, link)
    quick = lookup.parents(keys) if keys is not None else None
    if keys is None or quick is None:
        before_commit(connection, text, parameters, then=refuse)
        return
    wanted = len(keys)

    def count(rows: list[Row]) -> Further | None:
        enough = bool(rows) and rows[0][0] >= wanted
        return None if enough else Further(text, parameters, refuse)

    before_commit(connection, *quick, then=count)


def _check_parents(connection: Connection, link: Link, keys: Keys | None) -> None:
    lookup = Lookup(connection, link)
    text, parameters = lookup.orphans(keys, link.referred)
    refuse = _refuse_removal(connection, link)
    quick = lookup.children(keys) if keys is not None else None
    if quick is None:
        before_commit(connection, text, parameters, then=refuse)
        return

    def look(rows: list[Row]) -> Further | None:
        return Further(text, parameters, refuse) if rows else None

    before_commit(connection, *quick, then=look)


@dataclass(eq=False)
class TouchedRows(Entry):
    """Rows that were written by the column: those with some keys, between two keys, or all."""

    turn: ClassVar[int] = 10

    link: Link
    keys: Sequence[tuple[Any, ...]] | None = None
    between: tuple[Any, Any] | None = None

    @classmethod
    def settle(cls, connection: Connection, entries: Sequence[TouchedRows]) -> None:
        """Look for orphans by an anti-join of child and parent."""
        for entry in entries:
            lookup = Lookup(connection, entry.link)
            key = list(entry.link.child.primary_key)
            if entry.between is not None and len(key) == 1:
                statement = lookup.orphans_between(key[0], *entry.between)
            elif entry.keys is not None:
                statement = lookup.orphans_among(key, entry.keys)
            else:
                statement = lookup.orphans(None)
            before_commit(connection, *statement, then=_refuse_orphan(connection, entry.link))


def _refuse_orphan(connection: Connection, link: Link) -> AtCommit:
    hidden = connection.engine.hide_parameters

    def refuse(rows: list[Row]) -> None:
        if rows:
            name = f"{link.child.name}({_listed(link.columns)})"
            raise ForeignKeyViolation(
                f"{name} refers to {_shown(link, rows, hidden=hidden)}, which {link.parent.name}"
                f"({_listed(link.referred)}) does not have: add the missing "
                f"{link.parent.name} in the same transaction, or correct the key. "
                f"Nothing was stored",
                table=link.child.name,
                columns=[column.name for column in link.columns],
                value=None if hidden else _value(rows[0]),
                constraint=_constraint_name(link),
            )

    return refuse


def _refuse_removal(connection: Connection, link: Link) -> AtCommit:
    hidden = connection.engine.hide_parameters

    def refuse(rows: list[Row]) -> None:
        if rows:
            name = f"{link.parent.name}({_listed(link.referred)})"
            raise ForeignKeyViolation(
                f"{name} {_shown(link, rows, hidden=hidden)} was deleted or changed, and "
                f"{link.child.name}({_listed(link.columns)}) still refers to it: delete or move "
                f"the {link.child.name} in the same transaction; a relationship with "
                f"cascade='all, delete-orphan' and without passive_deletes does. "
                f"Nothing was stored",
                table=link.parent.name,
                columns=[column.name for column in link.referred],
                value=None if hidden else _value(rows[0]),
                constraint=_constraint_name(link),
            )

    return refuse


def _listed(columns: Sequence[Any]) -> str:
    return ", ".join(column.name for column in columns)


def _shown(link: Link, rows: Sequence[Row], *, hidden: bool) -> str:
    secret = any(
        column.info.get("secret") or getattr(column.type, "secret", False)
        for column in (*link.columns, *link.referred)
    )
    if hidden or secret:
        return "a key"
    return " and ".join(repr(_value(row)) for row in rows)


def _value(row: Row) -> Any:
    return row[0] if len(row) == 1 else tuple(row)


def _constraint_name(link: Link) -> str | None:
    name = link.constraint.name
    return str(name) if isinstance(name, str) else None


# ---- what a flush touches ----------------------------------------------------------


def watch_keys(engine: Engine | AsyncEngine) -> None:
    """Check the keys of what sessions flush through ``engine``, where the database does not."""
    watch(engine)
    if not event.contains(Session, "after_flush", _note_flush):
        event.listen(Session, "before_flush", _refuse_autocommit)
        event.listen(Session, "after_flush", _note_flush)


def watch_session(session: Session) -> None:
    """Check the keys of what ``session`` flushes, if it is bound to an engine."""
    try:
        bind = session.get_bind()
    except UnboundExecutionError:  # it has one for each model
        return
    watch_keys(bind.engine)


class _Noted(NamedTuple):
    """What a flush touches through one model."""

    links: Links
    plan: Plan
    entry: TouchedKeys


def _noted(session: Session, mapper: Mapper[Any]) -> _Noted | None:
    """Return where to note the keys of a model's rows; None if we check none of them."""
    dialect = session.get_bind(mapper).dialect
    if not is_watched(dialect) or not checks_keys(dialect) or not mapper.tables:
        return None
    table: Any = mapper.tables[0]
    links = Links.of(table.metadata)
    plan = links.plan(mapper).checked_by(dialect)
    return _Noted(links, plan, TouchedKeys()) if any(plan) else None


def _refuse_autocommit(session: Session, _context: object, _instances: object) -> None:
    """Raise before anything is stored that no COMMIT would check."""
    changed = (*session.new, *session.dirty, *session.deleted)
    for mapper in {instance_state(instance).mapper for instance in changed}:
        if _noted(session, mapper) is not None:
            refuse_autocommit(session.connection(bind_arguments={"mapper": mapper}))


def _note_flush(session: Session, context: Any) -> None:
    """Add the keys that the flush has touched to the ledger."""
    by_mapper: dict[Mapper[Any], _Noted | None] = {}
    for state, (deleted, listed) in list(context.states.items()):
        mapper = state.mapper
        if mapper not in by_mapper:
            by_mapper[mapper] = _noted(session, mapper)
        noted = by_mapper[mapper]
        if noted is not None and deleted:
            _note_deleted(state, noted)
        elif noted is not None and not listed:
            _note_saved(state, noted)
    for mapper, noted in by_mapper.items():
        if noted is not None and noted.entry:
            connection = session.connection(bind_arguments={"mapper": mapper})
            Ledger.of(connection).add(noted.entry)


def _note_deleted(state: InstanceState[Any], noted: _Noted) -> None:
    for link, names in noted.plan.incoming:
        old = [_old(state, name) for name in names]
        _touch_key(noted.entry.parents, link, old)


def _note_saved(state: InstanceState[Any], noted: _Noted) -> None:
    changed = state.committed_state
    new = state.key is None
    for link, names in noted.plan.outgoing:
        if new or not changed.keys().isdisjoint(names):
            current = [_current(state, link, at, name) for at, name in enumerate(names)]
            _touch_key(noted.entry.children, link, current)
    if not new:
        for link, names in noted.plan.incoming:
            if not changed.keys().isdisjoint(names):
                old = [_old(state, name) for name in names]
                _touch_key(noted.entry.parents, link, old)
    for relation in noted.plan.through:
        if relation.key in state.dict and (new or relation.key in changed):
            _note_through(state, relation, noted)


def _note_through(state: InstanceState[Any], relation: Any, noted: _Noted) -> None:
    """Note the rows that a relationship adds to its secondary table."""
    added = state.get_history(relation.key, PassiveFlag.PASSIVE_NO_INITIALIZE).added
    for other in filter(None, added or ()):
        row = dict(_ends(state, relation.synchronize_pairs))
        row.update(_ends(instance_state(other), relation.secondary_synchronize_pairs))
        for link in noted.links.from_table(relation.secondary):
            _touch_key(noted.entry.children, link, [row.get(column) for column in link.columns])


def _ends(state: InstanceState[Any], pairs: Any) -> Iterator[tuple[Any, Any]]:
    properties = state.mapper._columntoproperty  # noqa: SLF001 - as for links
    for own, secondary in pairs:
        yield secondary, state.dict.get(properties[own].key)


class _Unknown:
    """A value that the database alone knows."""


_UNKNOWN = _Unknown()


def _touch_key(touched: dict[Link, Keys | None], link: Link, key: Sequence[Any]) -> None:
    """Note a key, unless a part of it is NULL: then it refers to nothing."""
    if _UNKNOWN in key:
        _touch(touched, link, None)
    elif None not in key:
        _touch(touched, link, {tuple(key): None})


def _current(state: InstanceState[Any], link: Link, at: int, name: str | None) -> Any:
    """Return the value that was stored in a column of a child."""
    if name in state.dict:
        value = state.dict[name]
        return _UNKNOWN if isinstance(value, ClauseElement) else value
    fills = link.columns[at].server_default is not None
    return _UNKNOWN if name is None or name in state.expired_attributes or fills else None


def _old(state: InstanceState[Any], name: str | None) -> Any:
    """Return the value that a column of a parent had before the flush."""
    known: dict[Any, Any] = {**state.dict, **state.committed_state}
    value = known.get(name, NO_VALUE)
    return _UNKNOWN if value is NO_VALUE or isinstance(value, ClauseElement) else value


# ---- what is written without a flush -------------------------------------------------


def check_values(
    connection: Connection, table: Table, columns: Mapping[str, Sequence[Any]]
) -> None:
    """Check at COMMIT the keys in ``columns``: values by the name of a column of ``table``.

    For rows that were inserted or updated without a flush.
    """
    if not is_checked_here(connection.dialect, table):
        return
    entry = TouchedKeys()
    for link in Links.of(table.metadata).from_table(table):
        parts = [columns.get(column.key) for column in link.columns]
        given = [part for part in parts if part is not None]
        if len(given) == len(parts):
            for key in zip(*given, strict=True):
                _touch_key(entry.children, link, key)
        elif given:
            _touch(entry.children, link, None)  # the rest of the key is stored already
    if entry:
        Ledger.of(connection).add(entry)


def check_rows(
    connection: Connection,
    table: Table,
    *,
    columns: Iterable[str] | None = None,
    keys: Sequence[Any] | None = None,
    between: tuple[Any, Any] | None = None,
) -> None:
    """Check at COMMIT by an anti-join that rows of ``table`` have their parents.

    The rows are those with these primary ``keys`` (tuples if there are several columns),
    those with a key ``between`` two, or all. ``columns`` leaves out foreign keys of which
    no column was written.
    """
    if not is_checked_here(connection.dialect, table):
        return
    written = None if columns is None else set(columns)
    rows = None if keys is None else [_as_tuple(key) for key in keys]
    if rows == []:
        return
    for link in Links.of(table.metadata).from_table(table):
        if written is None or not written.isdisjoint(column.key for column in link.columns):
            Ledger.of(connection).add(TouchedRows(link, rows, between))


def check_removed(connection: Connection, table: Table, keys: Sequence[Any] | None = None) -> None:
    """Check at COMMIT that nothing refers to rows that were removed from ``table``.

    ``keys`` are their primary keys, if they are known.
    """
    own = list(table.primary_key)
    entry = TouchedKeys()
    for link in Links.of(table.metadata).to_table(table):
        if not is_checked_here(connection.dialect, link.child):
            continue
        if keys is None or any(column not in own for column in link.referred):
            _touch(entry.parents, link, None)
            continue
        places = [own.index(column) for column in link.referred]
        for key in map(_as_tuple, keys):
            _touch(entry.parents, link, {tuple(key[place] for place in places): None})
    if entry:
        Ledger.of(connection).add(entry)


def _as_tuple(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


# ---- what is broken already ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Orphan:
    """Rows that refer to a row that does not exist: ``count`` rows of ``table`` with one key."""

    table: str
    columns: tuple[str, ...]
    key: tuple[Any, ...]
    parent: str
    referred: tuple[str, ...]
    count: int


async def check_integrity(session: AsyncSession, metadata: MetaData) -> list[Orphan]:
    """Return what raw SQL broke: every key in the tables of ``metadata`` without its parent.

    It reads all rows of all tables that have foreign keys, whoever keeps them.
    """
    links = Links.of(metadata)
    found: list[Orphan] = []
    for table in metadata.sorted_tables:
        for link in links.from_table(table):
            found.extend(await _orphans(session, link))
    return found


async def _orphans(session: AsyncSession, link: Link) -> list[Orphan]:
    child, parent = link.child.alias(), link.parent.alias()
    columns = [child.c[column.key] for column in link.columns]
    referred = [parent.c[column.key] for column in link.referred]
    match = [one == other for one, other in zip(referred, columns, strict=True)]
    statement = (
        select(*columns, func.count())
        .where(*(column.is_not(None) for column in columns))
        .where(~select(1).select_from(parent).where(*match).exists())
        .group_by(*columns)
        .order_by(*columns)
    )
    names = tuple(column.name for column in link.columns)
    others = tuple(column.name for column in link.referred)
    rows = await session.execute(statement)
    return [
        Orphan(link.child.fullname, names, tuple(row[:-1]), link.parent.fullname, others, row[-1])
        for row in rows
    ]
