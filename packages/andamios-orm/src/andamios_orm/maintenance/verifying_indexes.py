"""Whether indexes find the rows of their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from andamios_orm.maintenance.findings import SHOWN, Finding, Unreadable, keys_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from andamios_orm.maintenance.findings import Snapshot
    from andamios_orm.maintenance.verifying_catalog import Table

__all__ = ["of_indexes"]

_NEWEST: Final = 100
"""Rows, those that were added last, whose values are looked up in each index."""
_SPREAD: Final = 100
"""Rows of all the table whose values are looked up, too."""
_ANEW: Final = "andamios-orm vacuum makes the file anew, with all of its indexes"
_WITHOUT_AMCHECK: Final = (
    "the structure of indexes: amcheck is not installed (CREATE EXTENSION amcheck), or not for "
    "this user"
)
_INDEXES: Final = """
    SELECT n.nspname, c.relname, i.indisvalid, (
        SELECT m.nspname FROM pg_extension e JOIN pg_namespace m ON m.oid = e.extnamespace
        JOIN pg_proc f ON f.pronamespace = m.oid AND f.proname = 'bt_index_check'
        WHERE e.extname = 'amcheck' AND f.pronargs = 2 AND has_function_privilege(f.oid, 'EXECUTE')
    ), a.amname = 'btree' AND i.indisready, c.oid::bigint
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
    WHERE i.indrelid = {oid} AND c.relkind = 'i' ORDER BY c.oid
"""


async def of_indexes(snapshot: Snapshot, table: Table) -> AsyncIterator[Finding]:
    """Yield what is wrong with the indexes of one table."""
    check = _in_postgresql if snapshot.system == "postgresql" else _in_duckdb
    async for finding in check(snapshot, table):
        yield finding


async def _in_duckdb(snapshot: Snapshot, table: Table) -> AsyncIterator[Finding]:
    """Compare what lookups find with what a scan finds.

    Each is a query of its own for one value: of several, DuckDB makes a join, which reads
    the table. What an index has lost through a crash are rows that were added last.
    """
    name = snapshot.quote(*table.name)
    for index, part in table.lookups:
        try:
            missing, looked_up = await _missing(snapshot, name, part)
        except Unreadable as error:
            yield Finding(table.full_name, f"{index} cannot be read: {error}", 0, (), _ANEW)
            continue
        if missing:
            keys = keys_of([part.strip('"')], missing[:SHOWN])
            lost = sum(count for _, count in missing)
            what = f"{index} does not find rows, of {looked_up} looked up"
            yield Finding(table.full_name, what, lost, keys, _ANEW)


async def _missing(snapshot: Snapshot, name: str, part: str) -> tuple[list[tuple[Any, int]], int]:
    """Return values that the index does not find, each with its rows, and how many were there."""
    [(rows, last)] = await snapshot.rows(f"SELECT count(*), max(rowid) FROM {name}")  # noqa: S608 - quoted names
    if not rows:
        return [], 0
    [(type_,)] = await snapshot.rows(f"SELECT typeof({part}) FROM {name} LIMIT 1")  # noqa: S608 - quoted names
    step = rows // _SPREAD + 1
    picked = await snapshot.rows(
        f"SELECT v, CAST(v AS VARCHAR), n FROM (SELECT {part} AS v, count(*) AS n, "  # noqa: S608 - quoted names
        f"bool_or(rowid > {last - _NEWEST} OR rowid % {step} = 0) AS picked FROM {name} "
        f"GROUP BY v) WHERE picked AND CAST(CAST(v AS VARCHAR) AS {type_}) = v "
        f"LIMIT {_NEWEST + _SPREAD}"
    )
    missing = []
    query = f"SELECT count(*) FROM {name} WHERE {part} = CAST($1 AS {type_})"  # noqa: S608 - quoted names
    for value, written, expected in picked:
        [(found,)] = await snapshot.rows(query, (written,))
        if found < expected:
            missing.append((value, expected - found))
    return missing, sum(expected for *_, expected in picked)


async def _in_postgresql(snapshot: Snapshot, table: Table) -> AsyncIterator[Finding]:
    """Look for indexes that are not used, and let amcheck compare the others with the table."""
    for row in await snapshot.rows(_INDEXES.format(oid=table.oid)):
        schema, name, is_valid, amcheck, can_be_checked, oid = row
        index = snapshot.quote(schema, name)
        remedy = f"REINDEX INDEX CONCURRENTLY {index}, once no rows stand in its way"
        if not is_valid:
            what = f"the index {name} is not valid: it is not used, and keeps nothing unique"
            yield Finding(table.full_name, what, 0, (), remedy)
        elif amcheck is None:
            if _WITHOUT_AMCHECK not in snapshot.skipped:
                snapshot.skipped.append(_WITHOUT_AMCHECK)
        elif can_be_checked:
            check = f"{snapshot.quote(amcheck, 'bt_index_check')}({oid}::oid::regclass, true)"
            try:
                await snapshot.rows(f"SELECT {check}")
            except Unreadable as error:
                yield Finding(table.full_name, f"the index {name}: {error}", 0, (), remedy)
