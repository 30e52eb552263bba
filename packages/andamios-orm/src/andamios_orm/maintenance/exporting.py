"""Writing a backup of the open form: a schema, Parquet files and a manifest with checksums."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

import duckdb
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL

from andamios_orm.dialect import rebuilding
from andamios_orm.dialect.files import sync_folder
from andamios_orm.dialect.quoting import literal, quoted
from andamios_orm.exceptions import BackupFailed
from andamios_orm.maintenance.digests import digest_of
from andamios_orm.maintenance.manifests import (
    DATA,
    MANIFEST,
    ROW_GROUP,
    SCHEMA,
    Enum,
    Manifest,
    Sequence,
    Table,
    View,
    file_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from andamios_orm.dialect.shapes import ColumnShape, TableShape

__all__ = ["checksum", "columns_of", "described", "export", "parquet"]

_AS_TEXT: Final = ("HUGEINT", "BIT", "BIGNUM", "INTERVAL", "TIME WITH TIME ZONE", "TIME_NS")
"""Types that Parquet, as DuckDB writes it, cannot hold without loss."""
_START: Final = re.compile(r" START (?P<next>-?\d+) (?:NO )?CYCLE;?$")
_SCHEMAS: Final = text("""
    SELECT schema_name FROM duckdb_schemas()
    WHERE database_name = current_database() AND NOT internal ORDER BY oid
""")
_ENUMS: Final = text("""
    SELECT schema_name, type_name, labels FROM duckdb_types()
    WHERE database_name = current_database() AND logical_type = 'ENUM' AND NOT internal
    ORDER BY type_oid
""")
_SEQUENCES: Final = text("""
    SELECT schema_name, sequence_name, increment_by, min_value, max_value, cycle, sql
    FROM duckdb_sequences() WHERE database_name = current_database() AND NOT temporary
    ORDER BY sequence_oid
""")
_TABLES: Final = text("""
    SELECT schema_name, table_name FROM duckdb_tables()
    WHERE database_name = current_database() AND NOT temporary AND NOT internal
    ORDER BY table_oid
""")
_VIEWS: Final = text("""
    SELECT schema_name, view_name, sql FROM duckdb_views()
    WHERE database_name = current_database() AND NOT temporary AND NOT internal ORDER BY view_oid
""")


def export(copy: Path, folder: Path, progress: Callable[[int, int], None]) -> Manifest:
    """Write what is in a DuckDB file that nobody writes to into a new folder.

    Every file is read again and compared with its table. ``progress`` is called with rows.

    Raises:
        BackupFailed: a table does not come back as it is.
    """
    (folder / DATA).mkdir(parents=True)
    engine = create_engine(URL.create("duckdb+andamios", database=str(copy)))
    try:
        with engine.connect() as connection:
            found = described(connection)
    finally:
        engine.dispose()
    tables = list(_written(copy, folder / DATA, found.tables, progress))
    manifest = Manifest(
        format="andamios-orm backup",
        version=1,
        schemas=found.schemas,
        enums=found.enums,
        sequences=found.sequences,
        tables=tuple(tables),
        views=found.views,
    )
    views = (view.sql.rstrip("\n;") for view in manifest.views)
    statements = (*manifest.statements(), *manifest.indexes(), *views)
    _write(folder / SCHEMA, "".join(f"{statement};\n" for statement in statements).encode())
    _write(folder / MANIFEST, manifest.as_json())
    sync_folder(folder / DATA)
    sync_folder(folder)
    return manifest


def parquet(path: Path) -> str:
    """Return what reads one Parquet file, as SQL; no letter of its path is a wildcard."""
    plain = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
    return f"read_parquet({literal(plain)})"


def columns_of(shape: TableShape) -> str:
    """Return the columns of a table that have values of their own, as SQL."""
    return ", ".join(quoted(column.name) for column in shape.stored)


def described(connection: Connection) -> Manifest:
    """Return all that is in a database but its rows; a table stands behind its parents."""
    tables = []
    for schema, name in connection.execute(_TABLES).all():
        shape = rebuilding.read(connection, name, schema)
        assert shape is not None  # noqa: S101 - it was in the list
        tables.append(Table(schema, shape, rows=0, size=0, digest=""))
    return Manifest(
        format="andamios-orm backup",
        version=1,
        schemas=tuple(connection.scalars(_SCHEMAS)),
        enums=tuple(
            Enum(schema, name, tuple(labels)) for schema, name, labels in connection.execute(_ENUMS)
        ),
        sequences=tuple(map(_sequence, connection.execute(_SEQUENCES))),
        tables=tuple(_parents_first(tables)),
        views=tuple(View(*row) for row in connection.execute(_VIEWS)),
    )


def _sequence(row: Any) -> Sequence:
    found = _START.search(row.sql)
    assert found is not None  # noqa: S101 - DuckDB writes it always
    return Sequence(
        schema=row.schema_name,
        name=row.sequence_name,
        next=int(found["next"]),
        step=row.increment_by,
        least=row.min_value,
        greatest=row.max_value,
        cycle=row.cycle,
    )


def _parents_first(tables: Iterable[Table]) -> Iterator[Table]:
    """Yield tables so that each stands behind those that it refers to."""
    left = list(tables)
    while left:
        names = {(table.schema, table.shape.name.lower()) for table in left}
        following = next(table for table in left if not names & _parents(table))
        left.remove(following)
        yield following


def _parents(table: Table) -> set[tuple[str, str]]:
    """Return the other tables that a table refers to; there are no circles in DuckDB."""
    keys = {each.refers_to.lower() for each in table.shape.constraints if each.refers_to}
    return {(table.schema, name) for name in keys - {table.shape.name.lower()}}


def _written(
    copy: Path, folder: Path, tables: Iterable[Table], progress: Callable[[int, int], None]
) -> Iterator[Table]:
    with duckdb.connect(":memory:") as raw:
        raw.execute(f"ATTACH {literal(str(copy))} AS copy (TYPE duckdb, READ_ONLY)")
        names = [f"copy.{quoted(each.schema)}.{quoted(each.shape.name)}" for each in tables]
        counts = [raw.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0] for name in names]  # noqa: S608 - quoted names
        done = 0
        for number, (table, name, rows) in enumerate(zip(tables, names, counts, strict=True), 1):
            path = folder / file_of(number)
            _write_rows(raw, table, name, path)
            done += rows
            progress(done, sum(counts))
            size, digest = path.stat().st_size, digest_of(path)
            yield Table(table.schema, table.shape, rows, size, digest)


def _write_rows(raw: duckdb.DuckDBPyConnection, table: Table, name: str, path: Path) -> None:
    """Write the rows of a table, and read them again.

    Raises:
        BackupFailed: they do not come back as they are.
    """
    stored = table.shape.stored
    values = ", ".join(f"{_exported(column)} AS {quoted(column.name)}" for column in stored)
    again = ", ".join(f"CAST({quoted(each.name)} AS {each.type})" for each in stored)
    reason: object = "the rows differ"
    try:
        raw.execute(
            f"COPY (SELECT {values} FROM {name}) TO {literal(str(path))} "  # noqa: S608 - quoted names
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
        )
        there = checksum(raw, columns_of(table.shape), name)
        is_same = checksum(raw, again, parquet(path)) == there
    except duckdb.Error as error:
        is_same, reason = False, error
    if not is_same:
        raise BackupFailed(
            f"{table.shape.name} does not come back from Parquet as it is ({reason}): "
            f"make a backup of the other form"
        )
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksum(raw: duckdb.DuckDBPyConnection, values: str, source: str) -> object:
    """Return the number of rows, and a sum over them in which their order does not matter."""
    query = f"SELECT count(*), sum(hash({values})::HUGEINT), bit_xor(hash({values})) FROM {source}"  # noqa: S608 - quoted names
    return raw.execute(query).fetchall()


def _exported(column: ColumnShape) -> str:
    name = quoted(column.name)
    return f"CAST({name} AS VARCHAR)" if column.type.endswith(_AS_TEXT) else name


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
