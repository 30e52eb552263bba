"""Records are written before COMMIT, at positions that no follower can miss.

A position is the number of a transaction and, in the lower 20 bits, the number of the
record within it. On DuckDB transactions are counted under the write gate, so they
commit in the order of their numbers. On PostgreSQL the number is the transaction's own
id: transactions may commit in another order, so readers wait for those that are older
than the oldest one still running. A cluster whose ids are behind what is stored (a
restore into a new one) gets a number to add, in the followers' table.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    String,
    Text,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    table,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import TwoPhaseTransaction

from andamios_orm.core.ledger import before_commit
from andamios_orm.models.clock import now
from andamios_orm.models.feed import BASE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import CTE, Connection, Executable, Table

    from andamios_orm.core.records import Record
    from andamios_orm.core.scans import Scan
    from andamios_orm.core.texts import Texts
    from andamios_orm.models.feed import FeedTables

__all__ = ["CHANNEL", "SHIFT", "added_to_numbers", "forget_time", "is_settled", "write_records"]

SHIFT: Final = 20
"""Bits of a position that number the records of one transaction."""
CHANNEL: Final = "andamios_changes"
"""Where PostgreSQL tells of new positions."""

_MOST_RECORDS: Final = 10_000
_CHUNK: Final = 1_000
_32_BITS: Final = 2**32 - 1
_ERASING: Final = frozenset({"purge", "bulk_purge", "erase"})
_ALIGNED: Final = "andamios.aligned"
_SCAN: Final = "_andamios_versions"
_STATEMENT: Final = "andamios_statement"
_CHANGE_TYPES: Final = {
    "actor": String,
    "entity": String,
    "key": String,
    "kind": String,
    "count": BigInteger,
    "keys": JSONB,
    "first_key": String,
    "last_key": String,
    "tenant": String,
}
_HISTORY_TYPES: Final = {
    "entity": String,
    "key": String,
    "actor": String,
    "kind": String,
    "version": BigInteger,
    "before": JSONB,
    "after": JSONB,
    "tenant": String,
}


_LONG_AGO: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(slots=True)
class _Counter:
    """The number and the time of the last transaction that wrote to one DuckDB database."""

    number: int = 0
    time: dt.datetime = _LONG_AGO
    known: set[str] = field(default_factory=set)


_COUNTERS: WeakKeyDictionary[Any, _Counter] = WeakKeyDictionary()


def forget_time(database: object) -> None:
    """Let the changes of a DuckDB database, which has none any more, begin at any time."""
    counter = _COUNTERS.get(database)
    if counter is not None:
        counter.time = _LONG_AGO


def write_records(connection: Connection, records: Sequence[Record]) -> None:
    """Write ``records`` before COMMIT: one statement for changes, one for their history."""
    by_feed: dict[int, list[Record]] = {}
    for record in records:
        by_feed.setdefault(id(record.tables), []).append(record)
    for group in by_feed.values():
        tables = group[0].tables
        folded = _folded(group)
        for record in folded:
            if record.kind in _ERASING and record.versions:
                _wipe(connection, tables, record)
        if connection.dialect.name == "postgresql":
            _write_to_postgresql(connection, tables, folded)
        else:
            _write_to_duckdb(connection, tables, folded)


def _wipe(connection: Connection, tables: FeedTables, record: Record) -> None:
    """Forget the history of rows that were purged."""
    history = tables.history
    keys = [version.key for version in record.versions]
    statement = delete(history).where(history.c.entity == record.entity, history.c.key.in_(keys))
    before_commit(connection, statement)


def _folded(records: list[Record]) -> list[Record]:
    """Return the records; of very many single ones make batches."""
    if len(records) <= _MOST_RECORDS:
        return records
    groups: dict[tuple[str, str, str | None, str | None], list[Record]] = {}
    for record in records:
        name = record.kind if record.key is not None else f"{id(record)}"
        groups.setdefault((record.entity, name, record.tenant, record.actor), []).append(record)
    return [
        _batch(group[at : at + _CHUNK])
        for group in groups.values()
        for at in range(0, len(group), _CHUNK)
    ]


def _batch(group: list[Record]) -> Record:
    first = group[0]
    if len(group) == 1:
        return first
    return type(first)(
        tables=first.tables,
        entity=first.entity,
        kind=f"bulk_{first.kind}",
        actor=first.actor,
        tenant=first.tenant,
        count=len(group),
        keys=[record.key for record in group if record.key is not None],
        versions=[version for record in group for version in record.versions],
    )


def _changes(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Return the rows of changes, without what is empty."""
    return [
        {name: value for name in _CHANGE_TYPES if (value := getattr(record, name)) is not None}
        for record in records
    ]


def _history(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return the rows of history that are given one by one; ``n`` is that of their record."""
    return [
        {
            "n": number,
            "entity": record.entity,
            "key": version.key,
            "actor": record.actor,
            "kind": record.kind,
            "version": version.version,
            "before": version.before,
            "after": version.after,
            "tenant": record.tenant,
        }
        for number, record in enumerate(records)
        for version in record.versions
    ]


# ---- DuckDB ----------------------------------------------------------------------


def _write_to_duckdb(connection: Connection, tables: FeedTables, records: list[Record]) -> None:
    base, time = _next_transaction(connection, tables)
    changes = _changes(records)
    for number, row in enumerate(changes):
        row.update(position=base + number, time=time)
    if len(changes) == 1 and "keys" not in changes[0]:
        before_commit(connection, *_ready_insert(connection, tables.changes, changes[0]))
    else:
        before_commit(connection, insert(tables.changes), _alike(changes))
    history = _history(records)
    for row in history:
        row.update(position=base + row.pop("n"), time=time)
    if history:
        before_commit(connection, insert(tables.history), _alike(history))
    for number, record in enumerate(records):
        stamp = {"position": base + number, "time": time}
        if record.scan is not None:
            _write_scan(connection, tables.history, record, record.scan, stamp)
        elif record.texts is not None:
            _write_texts(connection, tables.history, record, record.texts, stamp)


def _write_scan(
    connection: Connection, table: Table, record: Record, scan: Scan, stamp: dict[str, Any]
) -> None:
    """Write the history of many rows out of columns of Arrow."""
    same = {**_same(record), **stamp}
    names = ", ".join(f'"{name}"' for name in (*same, *scan.columns))
    parts = ", ".join([*("?" for _ in same), *scan.columns.values()])
    target = _quoted(connection, table)
    statement = f"INSERT INTO {target} ({names}) SELECT {parts} FROM {_SCAN}"  # noqa: S608 # nosec B608 - quoted names
    parameters = (*same.values(), *scan.parameters)
    before_commit(connection, statement, parameters, tables={_SCAN: scan.table})


def _same(record: Record) -> dict[str, Any]:
    """Return what all rows of history of a record have."""
    return {
        "entity": record.entity,
        "actor": record.actor,
        "kind": record.kind,
        "tenant": record.tenant,
    }


def _write_texts(
    connection: Connection, table: Table, record: Record, texts: Texts, stamp: dict[str, Any]
) -> None:
    """Write the history of many rows with a few long texts: DuckDB takes them apart itself."""
    values: dict[str, tuple[str, Any]] = {
        **{name: ("{}", value) for name, value in (*_same(record).items(), *stamp.items())},
        "key": ("unnest({}::JSON::VARCHAR[])", orjson.dumps(texts.keys).decode()),
        "version": ("unnest({}::JSON::BIGINT[])", orjson.dumps(texts.numbers).decode()),
    }
    for name, lines in (("before", texts.before), ("after", texts.after)):
        if lines is not None:  # JSON in one line has no line feed
            values[name] = ("unnest(string_split({}, chr(10)))", b"\n".join(lines).decode())
    names = ", ".join(f'"{name}"' for name in values)
    parts = ", ".join(
        form.format(f"${number}") for number, (form, _) in enumerate(values.values(), 1)
    )
    target = _quoted(connection, table)
    statement = f"INSERT INTO {target} ({names}) SELECT {parts}"  # nosec B608 - quoted names
    before_commit(connection, statement, tuple(value for _, value in values.values()))


def _ready_insert(
    connection: Connection, table: Table, row: dict[str, Any]
) -> tuple[str, tuple[Any, ...]]:
    """Return the SQL that stores one change, and its values: half the work of a Core insert."""
    return _insertion(_quoted(connection, table), tuple(row)), tuple(row.values())


def _quoted(connection: Connection, table: Table) -> str:
    """Return the name of a table as it stands in SQL."""
    preparer = connection.dialect.identifier_preparer
    schema = connection.schema_for_object(table)
    name = preparer.quote(table.name)
    return f"{preparer.quote_schema(schema)}.{name}" if schema else name


@lru_cache(maxsize=128)
def _insertion(target: str, names: tuple[str, ...]) -> str:
    """Return the INSERT of one row into ``target``, whose name is quoted already.

    >>> _insertion("andamios_changes", ("position", "key"))
    'INSERT INTO andamios_changes ("position", "key") VALUES ($1, $2)'
    """
    columns = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    return f"INSERT INTO {target} ({columns}) VALUES ({values})"  # noqa: S608 # nosec B608 - quoted names


def _alike(rows: list[dict[str, Any]]) -> list[dict[str, Any]] | dict[str, Any]:
    """Return the rows with the same columns: those that any of them has a value for."""
    if len(rows) == 1:
        return {name: value for name, value in rows[0].items() if value is not None}
    names = {name for row in rows for name, value in row.items() if value is not None}
    return [{name: row.get(name) for name in names} for row in rows]


def _next_transaction(connection: Connection, tables: FeedTables) -> tuple[int, dt.datetime]:
    """Return the first position of this transaction, and its time; they only rise."""
    raw: Any = connection.connection.dbapi_connection
    if not raw._wrote:  # noqa: SLF001 - without the gate others could commit in between
        raw.write_intent = True
        connection.exec_driver_sql("SELECT 1")
    counter = _COUNTERS.setdefault(raw.database, _Counter())
    name = tables.changes.fullname
    if name not in counter.known:
        newest = connection.scalar(select(func.coalesce(_newest(tables), 0))) or 0
        counter.number = max(counter.number, newest >> SHIFT)
        counter.known.add(name)
    counter.number += 1
    counter.time = max(counter.time, now())
    return counter.number << SHIFT, counter.time


def _newest(tables: FeedTables) -> ColumnElement[int]:
    """Return the highest position that is stored anywhere."""
    changes, followers = tables.changes, tables.followers
    return func.greatest(
        select(func.max(changes.c.position)).scalar_subquery(),
        select(func.max(followers.c.position)).where(followers.c.name != BASE).scalar_subquery(),
    )


# ---- PostgreSQL ------------------------------------------------------------------


def _write_to_postgresql(connection: Connection, tables: FeedTables, records: list[Record]) -> None:
    if not connection.info.get(_ALIGNED):
        _align(connection, tables)
        connection.info[_ALIGNED] = True
    changes = _changes(records)
    for number, row in enumerate(changes):
        row["n"] = number
    given = {"changes": orjson.dumps(changes).decode()}
    history = [*_history(records), *_texts(records)]
    if history:
        rows = [
            {name: value for name, value in row.items() if value is not None} for row in history
        ]
        given["history"] = orjson.dumps(rows).decode()
    # PostgreSQL prepares no transaction that notifies; followers find it by looking.
    tells = not isinstance(connection.get_transaction(), TwoPhaseTransaction)
    statement = _statement(tables, with_history=bool(history), tells=tells)
    before_commit(connection, statement, given)


def _texts(records: Sequence[Record]) -> Iterator[dict[str, Any]]:
    """Yield the rows of history that are text already; ``n`` is the number of their record."""
    for number, record in enumerate(records):
        if record.texts is not None:
            same = {"n": number, **_same(record)}
            for row in record.texts.rows():
                yield {**same, **row}


def _statement(tables: FeedTables, *, with_history: bool, tells: bool) -> Executable:
    """Return the statement that stores changes, and history, and tells of the position."""
    known: dict[Any, Executable] = tables.changes.info.setdefault(_STATEMENT, {})
    wanted = with_history, tells
    if wanted not in known:
        known[wanted] = _new_statement(tables, with_history=with_history, tells=tells)
    return known[wanted]


def _new_statement(tables: FeedTables, *, with_history: bool, tells: bool) -> Executable:
    number = added_to_numbers(tables) + cast(cast(func.pg_current_xact_id(), Text), BigInteger)
    stamp = select(
        number.op("<<")(literal(SHIFT, Integer)).label("base"),
        func.clock_timestamp(type_=DateTime(timezone=True)).label("time"),
    ).cte("stamp")
    parts = [_stored(tables.changes, stamp, "changes", _CHANGE_TYPES)]
    if with_history:
        parts.append(_stored(tables.history, stamp, "history", _HISTORY_TYPES))
    told = func.pg_notify(CHANNEL, cast(stamp.c.base, Text)) if tells else literal(1)
    return select(told).select_from(stamp).add_cte(*parts)


def _stored(target: Table, stamp: CTE, name: str, types: dict[str, Any]) -> CTE:
    rows = (
        func.jsonb_to_recordset(cast(bindparam(name, type_=Text), JSONB))
        .table_valued(column("n", Integer), *(column(each, type_) for each, type_ in types.items()))
        .render_derived(name=f"{name}_rows", with_types=True)
    )
    source = select(stamp.c.base + rows.c.n, stamp.c.time, *(rows.c[each] for each in types))
    statement = insert(target).from_select(
        ["position", "time", *types], source.select_from(stamp.join(rows, true()))
    )
    return statement.cte(f"new_{name}")


def added_to_numbers(tables: FeedTables) -> ColumnElement[int]:
    """Return what is added to PostgreSQL's transaction ids, so that positions only rise."""
    followers = tables.followers
    added = select(followers.c.position).where(followers.c.name == BASE).scalar_subquery()
    return func.coalesce(added, 0)


def _snapshot(function: str) -> ColumnElement[int]:
    """Return a bound of the transactions that are running, as a number."""
    bound = getattr(func, function)(func.pg_current_snapshot())
    return cast(cast(bound, Text), BigInteger)


def is_settled(tables: FeedTables, dialect_name: str) -> ColumnElement[bool]:
    """Return whether no transaction that still runs can store a position below a change's.

    A position that no transaction of this cluster can have had yet came from another
    cluster, and is settled as well.
    """
    if dialect_name != "postgresql":
        return true()
    position, base = tables.changes.c.position, added_to_numbers(tables)
    shift = literal(SHIFT, Integer)
    return or_(
        position < (base + _oldest()).op("<<")(shift),
        position >= (base + _snapshot("pg_snapshot_xmax")).op("<<")(shift),
    )


def _oldest() -> ColumnElement[int]:
    """Return the id of the oldest transaction that may yet store a change.

    Those of the server's other databases cannot, prepared ones included; where it may not
    be seen which database one is in, it counts.
    """
    running = func.pg_snapshot_xip(func.pg_current_snapshot()).column_valued("running")
    number = cast(cast(running, Text), BigInteger)
    oldest = select(func.min(number)).where(
        not_(_is_elsewhere(number, "pg_stat_activity", "datname", "backend_xid")),
        not_(_is_elsewhere(number, "pg_prepared_xacts", "database", "transaction")),
    )
    return func.coalesce(oldest.scalar_subquery(), _snapshot("pg_snapshot_xmax"))


def _is_elsewhere(
    number: ColumnElement[int], view: str, database: str, transaction: str
) -> ColumnElement[bool]:
    """Return whether a view of the server shows a transaction in another database."""
    shown = table(view, column(database), column(transaction))
    return (
        select(literal(1))
        .select_from(shown)
        .where(
            shown.c[database] != func.current_database(),
            cast(cast(shown.c[transaction], Text), BigInteger) == number.op("&")(_32_BITS),
        )
        .exists()
    )


def _align(connection: Connection, tables: FeedTables) -> None:
    """Add to the transaction ids of a cluster that are behind what is stored."""
    followers = tables.followers
    found = connection.execute(
        select(
            func.coalesce(_newest(tables), 0).label("newest"),
            added_to_numbers(tables).label("base"),
            _snapshot("pg_snapshot_xmin").label("oldest"),
            _snapshot("pg_snapshot_xmax").label("next"),
        )
    ).one()
    newest = found.newest >> SHIFT
    if newest < found.base + found.next:
        return
    # Whoever has written with the old number is waited for, whoever wants to write waits.
    name = connection.dialect.identifier_preparer.format_table(tables.changes)
    connection.execute(text(f"LOCK TABLE {name} IN EXCLUSIVE MODE"))
    statement = upsert(followers).values(
        name=BASE, position=newest + 1 - found.oldest, time=func.now()
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[followers.c.name],
            set_={"position": statement.excluded.position, "time": statement.excluded.time},
        )
    )
