"""Whether rows can be read, and keep the rules of their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from andamios_orm.maintenance.findings import SHOWN, Finding, Unreadable, keys_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from andamios_orm.maintenance.findings import Snapshot
    from andamios_orm.maintenance.verifying_catalog import Catalog, Key, Table

__all__ = ["Contents", "of_keys"]

_RESTORE: Final = (
    "restore it from a backup, or read what can be read column by column and write it anew"
)
_EXACT: Final = "CASE typeof(p{0}) WHEN 'VARCHAR' THEN encode(CAST(p{0} AS VARCHAR)) END"
"""Texts that a collation calls equal are not the same to a unique index."""


class Contents:
    """The rows of one table."""

    def __init__(self, snapshot: Snapshot, table: Table) -> None:
        """Look at ``table``, in ``snapshot``."""
        self._snapshot = snapshot
        self._table = table
        self._name = snapshot.quote(*table.name)
        self.count = 0

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield what is wrong; ``count`` is how many rows were read."""
        table, quote = self._table, self._snapshot.quote
        rules = [
            *((f"{column} has no value", f"{quote(column)} IS NULL") for column in table.required),
            *((f"breaks CHECK {check}", f"NOT ({check})") for check in table.checks),
        ]
        counts = "".join(f", count(*) FILTER (WHERE {broken})" for _, broken in rules)
        try:
            [row] = await self._snapshot.rows(
                f"SELECT count(*), {self._all_values()}{counts} FROM {self._name} AS t"  # noqa: S608 - quoted names
            )
            self.count = row[0]
            for (what, broken), found in zip(rules, row[2:], strict=True):
                if found:
                    yield await self._broken(what, broken, found)
            for parts in table.uniques:
                async for finding in self._repeated(parts):
                    yield finding
        except Unreadable as error:
            yield Finding(table.full_name, f"cannot be read: {error}", 0, (), _RESTORE)

    def _all_values(self) -> str:
        """Return what makes the database read every value of a row, as SQL."""
        if self._snapshot.system == "postgresql":
            return "max(hashtextextended(CAST(t AS text), 0))"
        return f"bit_xor(hash({', '.join(map(self._snapshot.quote, self._table.columns))}))"

    async def _broken(self, what: str, broken: str, count: int) -> Finding:
        names = _identity(self._snapshot, self._table)
        rows = await self._snapshot.rows(
            f"SELECT {', '.join(map(self._snapshot.quote, names))} FROM {self._name} "  # noqa: S608 - quoted names
            f"WHERE {broken} LIMIT {SHOWN}"
        )
        remedy = "give these rows a value that the rule allows, or delete them"
        return Finding(self._table.full_name, what, count, keys_of(names, rows), remedy)

    async def _repeated(self, parts: Sequence[str]) -> AsyncIterator[Finding]:
        """Yield a finding if rows have a key in common that must be unique."""
        values = ", ".join(f"{part} AS p{number}" for number, part in enumerate(parts))
        present = " AND ".join(f"{part} IS NOT NULL" for part in parts)
        group = ", ".join(f"p{number}, {_EXACT.format(number)}" for number in range(len(parts)))
        firsts = ", ".join(f"any_value(p{number})" for number in range(len(parts)))
        rows = await self._snapshot.rows(
            f"SELECT *, sum(surplus) OVER () FROM ("  # noqa: S608 - quoted names
            f"SELECT {firsts}, count(*) - 1 AS surplus FROM "
            f"(SELECT {values} FROM {self._name} WHERE {present}) GROUP BY {group} "
            f"HAVING count(*) > 1) LIMIT {SHOWN}"
        )
        if rows:
            names = [part.strip('"') for part in parts]
            remedy = (
                "give all but one of these rows another key, or delete them; then vacuum the file, "
                "which makes its indexes anew"
            )
            yield Finding(
                self._table.full_name,
                f"has {', '.join(names)} more than once",
                int(rows[0][-1]),
                keys_of(names, rows),
                remedy,
            )


async def of_keys(snapshot: Snapshot, catalog: Catalog) -> AsyncIterator[Finding]:
    """Yield rows that refer to rows that do not exist, for each key."""
    for key in catalog.keys:
        child = catalog[key.child]
        names = tuple(dict.fromkeys((*_identity(snapshot, child), *key.columns)))
        try:
            rows = await snapshot.rows(_orphans(snapshot, key, names))
        except Unreadable as error:
            what = f"cannot be compared with {key.parent[1]}: {error}"
            yield Finding(child.full_name, what, 0, (), _RESTORE)
            continue
        if rows:
            yield Finding(
                child.full_name,
                f"refers by {', '.join(key.columns)} to rows of {key.parent[1]} that do not exist",
                int(rows[0][-1]),
                keys_of(names, rows),
                f"create the rows of {key.parent[1]}, or delete these",
            )


def _orphans(snapshot: Snapshot, key: Key, names: Sequence[str]) -> str:
    quote = snapshot.quote
    shown = ", ".join(f"c.{quote(name)}" for name in names)
    present = " AND ".join(f"c.{quote(column)} IS NOT NULL" for column in key.columns)
    same = " AND ".join(
        f"p.{quote(referred)} = c.{quote(column)}"
        for referred, column in zip(key.referred, key.columns, strict=True)
    )
    return (
        f"SELECT {shown}, count(*) OVER () FROM {quote(*key.child)} AS c WHERE {present} "  # noqa: S608 - quoted names
        f"AND NOT EXISTS (SELECT 1 FROM {quote(*key.parent)} AS p WHERE {same}) LIMIT {SHOWN}"
    )


def _identity(snapshot: Snapshot, table: Table) -> tuple[str, ...]:
    """Return the columns by which a row is known: its primary key, or its place."""
    if table.key:
        return table.key
    return ("ctid",) if snapshot.system == "postgresql" else ("rowid",)
