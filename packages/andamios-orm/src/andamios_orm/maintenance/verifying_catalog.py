"""What the catalogue says of tables: what has to hold for their rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from andamios_orm.core.links import Links
from andamios_orm.dialect.rebuilding import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy import MetaData
    from sqlalchemy import Table as ModelTable

    from andamios_orm.maintenance.findings import Snapshot

__all__ = ["Catalog", "Key", "Table"]

_DUCKDB_TABLES: Final = """
    SELECT schema_name, table_name, list(column_name ORDER BY column_index),
        list(column_name ORDER BY column_index) FILTER (NOT is_nullable), table_oid
    FROM duckdb_columns() JOIN duckdb_tables()
        USING (database_name, schema_name, table_name, table_oid)
    WHERE database_name = current_database() AND NOT temporary AND NOT duckdb_tables.internal
    GROUP BY ALL ORDER BY 1, 2
"""
_DUCKDB_CONSTRAINTS: Final = """
    SELECT schema_name, table_name, constraint_type, constraint_column_names, expression,
        referenced_table, referenced_column_names
    FROM duckdb_constraints() WHERE database_name = current_database() ORDER BY constraint_index
"""
_DUCKDB_INDEXES: Final = """
    SELECT schema_name, table_name, index_name, is_unique, expressions
    FROM duckdb_indexes() WHERE database_name = current_database() ORDER BY index_oid
"""
_OURS: Final = (
    "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%' "
    "AND c.relpersistence <> 't'"
)
_POSTGRESQL_TABLES: Final = f"""
    SELECT n.nspname, c.relname, c.relkind <> 'p', has_table_privilege(c.oid, 'SELECT'),
        row_security_active(c.oid), c.oid::bigint, array(
            SELECT attname::text FROM pg_attribute
            WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum
        ), array(
            SELECT a.attname::text FROM pg_index i
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
            WHERE i.indrelid = c.oid AND i.indisprimary
        ), array(
            SELECT pg_get_expr(k.conbin, k.conrelid) FROM pg_constraint k
            WHERE k.conrelid = c.oid AND k.contype = 'c'
        )
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm') AND {_OURS} ORDER BY 1, 2
"""  # noqa: S608 - of constants
_NAMES: Final = """
    array(SELECT a.attname::text FROM unnest({0}) WITH ORDINALITY u (number, place)
        JOIN pg_attribute a ON a.attrelid = {1} AND a.attnum = u.number ORDER BY place)
"""
_POSTGRESQL_KEYS: Final = f"""
    SELECT n.nspname, c.relname, {_NAMES.format("k.conkey", "k.conrelid")}, m.nspname, p.relname,
        {_NAMES.format("k.confkey", "k.confrelid")}
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace m ON m.oid = p.relnamespace
    WHERE k.contype = 'f' AND k.conparentid = 0 AND {_OURS} ORDER BY k.oid
"""  # noqa: S608 - of constants


@dataclass(frozen=True, slots=True)
class Key:
    """What makes rows of one table refer to rows of another; names as the database has them."""

    child: tuple[str, str]
    columns: tuple[str, ...]
    parent: tuple[str, str]
    referred: tuple[str, ...]


@dataclass(slots=True)
class Table:
    """A table: its columns, and what has to hold for its rows.

    ``uniques`` and ``lookups`` are SQL of one row: all parts of a unique key or index, and
    the only part of an index that queries use, with its name.
    """

    name: tuple[str, str]
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    uniques: list[tuple[str, ...]] = field(default_factory=list)
    lookups: list[tuple[str, str]] = field(default_factory=list)
    oid: int = 0
    is_stored: bool = True

    @property
    def full_name(self) -> str:
        """Its name, with its schema unless that is the usual one."""
        schema, name = self.name
        return name if schema in {"main", "public"} else f"{schema}.{name}"


class Catalog:
    """The tables of a database, and the keys between them."""

    def __init__(
        self, tables: Iterable[Table], fold: Callable[[str], str], skipped: Sequence[str] = ()
    ) -> None:
        """Begin with the tables; two names that ``fold`` makes equal are one."""
        self._fold = fold
        self._by_name = {self._place(table.name): table for table in tables}
        self.tables = [table for table in self._by_name.values() if table.is_stored]
        self.keys: dict[Key, None] = {}
        self.skipped = tuple(skipped)

    @classmethod
    async def read(cls, snapshot: Snapshot, models: Sequence[MetaData]) -> Self:
        """Return what there is, with the keys of the models where the database has none."""
        if snapshot.system == "postgresql":
            catalog = await cls._of_postgresql(snapshot)
        else:
            catalog = await cls._of_duckdb(snapshot)
        [(usual,)] = await snapshot.rows("SELECT current_schema()")
        for metadata in models:
            for key in _keys_of(metadata, snapshot, usual):
                catalog.add(key)
        return catalog

    def find(self, *name: str) -> Table | None:
        """Return a table by its schema and name; None if there is none that can be read."""
        return self._by_name.get(self._place(name))

    def __getitem__(self, name: tuple[str, str]) -> Table:
        """Return a table that the catalogue has named."""
        return self._by_name[self._place(name)]

    def _place(self, name: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(self._fold, name))

    def add(self, key: Key) -> None:
        """Keep a key between tables that exist, in the catalogue's own spelling."""
        child, parent = self.find(*key.child), self.find(*key.parent)
        if child is None or parent is None:
            return
        columns, referred = self._spelled(child, key.columns), self._spelled(parent, key.referred)
        if columns and referred:
            self.keys.setdefault(Key(child.name, columns, parent.name, referred))

    def _spelled(self, table: Table, names: Sequence[str]) -> tuple[str, ...]:
        """Return columns as the catalogue spells them; nothing if there are not all of them."""
        known = {self._fold(name): name for name in table.columns}
        found = tuple(known.get(self._fold(name), "") for name in names)
        return found if all(found) else ()

    @classmethod
    async def _of_duckdb(cls, snapshot: Snapshot) -> Self:
        tables = [
            Table((schema, name), tuple(columns), required=tuple(required or ()))
            for schema, name, columns, required, _ in await snapshot.rows(_DUCKDB_TABLES)
        ]
        catalog = cls(tables, str.lower)
        for row in await snapshot.rows(_DUCKDB_CONSTRAINTS):
            schema, name, kind, columns, expression, parent, referred = row
            table = catalog[schema, name]
            if kind == "CHECK":
                table.checks += (expression,)
            elif kind == "FOREIGN KEY":
                catalog.add(Key(table.name, tuple(columns), (schema, parent), tuple(referred)))
            elif kind in {"PRIMARY KEY", "UNIQUE"}:
                parts = tuple(map(snapshot.quote, columns))
                table.uniques.append(parts)
                table.key = tuple(columns) if kind == "PRIMARY KEY" else table.key
                _look_up(table, f"{kind} ({', '.join(columns)})", parts)
        for schema, name, index, is_unique, expressions in await snapshot.rows(_DUCKDB_INDEXES):
            table = catalog[schema, name]
            parts = parts_of(expressions)
            if is_unique:
                table.uniques.append(parts)
            _look_up(table, index, parts)
        return catalog

    @classmethod
    async def _of_postgresql(cls, snapshot: Snapshot) -> Self:
        tables, skipped = [], []
        for row in await snapshot.rows(_POSTGRESQL_TABLES):
            schema, name, is_stored, may_read, has_policies, oid, columns, key, checks = row
            table = Table(
                (schema, name),
                tuple(columns),
                tuple(key),
                checks=tuple(checks),
                oid=oid,
                is_stored=is_stored,
            )
            if not may_read:
                skipped.append(f"{table.full_name}: this user may not read it")
                continue
            if has_policies:
                skipped.append(f"{table.full_name}: rows that policies hide from this user")
            tables.append(table)
        catalog = cls(tables, str, skipped)
        for row in await snapshot.rows(_POSTGRESQL_KEYS):
            schema, name, columns, parent_schema, parent, referred = row
            key = Key((schema, name), tuple(columns), (parent_schema, parent), tuple(referred))
            catalog.add(key)
        return catalog


def _look_up(table: Table, index: str, parts: tuple[str, ...]) -> None:
    """Remember an index that DuckDB uses: one over a single part."""
    if len(parts) == 1:
        table.lookups.append((index, parts[0]))


def _keys_of(metadata: MetaData, snapshot: Snapshot, usual: str) -> Iterator[Key]:
    """Yield the foreign keys that models declare."""

    def name(table: ModelTable) -> tuple[str, str]:
        connection: Any = snapshot.connection.sync_connection
        return connection.schema_for_object(table) or usual, table.name

    links = Links.of(metadata)
    for table in metadata.sorted_tables:
        for link in links.from_table(table):
            yield Key(
                name(link.child),
                tuple(column.name for column in link.columns),
                name(link.parent),
                tuple(column.name for column in link.referred),
            )
