"""Making a DuckDB file from a backup of the open form, which may come from anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb

from andamios_orm.dialect import rebuilding
from andamios_orm.dialect.quoting import literal, quoted
from andamios_orm.maintenance.digests import counted, digest_of
from andamios_orm.maintenance.exporting import columns_of, parquet
from andamios_orm.maintenance.manifests import DATA, ROW_GROUP, file_of, manifest_of, refused

if TYPE_CHECKING:
    from andamios_orm.maintenance.manifests import Manifest, Table

__all__ = ["build", "checked", "insert_rows"]

_STASH = "temp.andamios_stash"


def build(folder: Path, draft: Path, digest: str | None) -> tuple[Manifest, str]:
    """Make the file ``draft`` from a backup, and return the manifest with its SHA-256.

    First everything is compared with the manifest: names, sizes, checksums, what the
    Parquet files say of themselves. The instance that reads them reaches no other file.

    Raises:
        BackupFailed: something is wrong, or the SHA-256 is not ``digest``; ``draft`` may have
            been begun.
    """
    folder = folder.resolve()
    manifest, found = checked(folder, digest)
    with TemporaryDirectory() as name:
        # No letter of this path is a wildcard to DuckDB, whatever the folder is called.
        data = Path(name, DATA)
        data.symlink_to(folder / DATA)
        try:
            with duckdb.connect(":memory:") as raw:
                _confine(raw, data, draft, Path(name, "spill"))
                _require_room(raw, data, manifest, shutil.disk_usage(draft.parent).free)
                _fill(raw, data, manifest)
        except (duckdb.Error, ValueError) as error:
            raise refused(folder, str(error).splitlines()[0]) from error
    return manifest, found


def checked(folder: Path, digest: str | None) -> tuple[Manifest, str]:
    """Return the manifest of a backup whose files are those that it names, and its SHA-256.

    Raises:
        BackupFailed: they are not, or the SHA-256 is not ``digest``.
    """
    manifest, found = manifest_of(folder, digest)
    for number, table in enumerate(manifest.tables, 1):
        file = folder / DATA / file_of(number)
        if digest_of(file) != table.digest:
            raise refused(folder, f"{file.name} has another SHA-256 than the manifest says")
    return manifest, found


def _confine(raw: duckdb.DuckDBPyConnection, data: Path, draft: Path, spill: Path) -> None:
    """Attach the file, and let nothing but the files of the backup be read from here on."""
    raw.execute("SET autoinstall_known_extensions=false")
    raw.execute("SET autoload_known_extensions=false")
    raw.execute(f"SET temp_directory={literal(str(spill))}")
    raw.execute(f"ATTACH {literal(str(draft))} AS restored (TYPE duckdb)")
    raw.execute(f"SET allowed_directories=[{literal(f'{data}/')}]")
    raw.execute("SET enable_external_access=false")
    raw.execute("SET lock_configuration=true")
    raw.execute("USE restored")


def _require_room(
    raw: duckdb.DuckDBPyConnection, data: Path, manifest: Manifest, free: int
) -> None:
    """Refuse files that say something else than the manifest, or hold more than the disk.

    Raises:
        ValueError: there is such a file.
    """
    cells = 0
    for number, table in enumerate(manifest.tables, 1):
        place = data / file_of(number)
        source = parquet(place).removeprefix("read_parquet")
        [(rows,)] = raw.execute(f"SELECT num_rows FROM parquet_file_metadata{source}").fetchall()  # noqa: S608 - quoted
        [(largest,)] = raw.execute(
            f"SELECT coalesce(max(row_group_num_rows), 0) FROM parquet_metadata{source}"  # noqa: S608 - quoted
        ).fetchall()
        found = raw.execute(f"DESCRIBE SELECT * FROM {parquet(place)}").fetchall()  # noqa: S608 - quoted
        names = [name for name, *_ in found]
        if rows != table.rows or largest > ROW_GROUP:
            raise ValueError(f"{place.name} has {rows} rows, or too many in one group")
        if names != [column.name for column in table.shape.stored]:
            raise ValueError(f"{place.name} has other columns than its table")
        cells += rows * len(names)
    if cells > free:  # of which each takes a byte or more
        raise ValueError(f"it holds {cells} values, and the disk has room for {free} bytes")


def _fill(raw: duckdb.DuckDBPyConnection, data: Path, manifest: Manifest) -> None:
    """Make all that the manifest names.

    Raises:
        ValueError: it becomes something else.
    """
    raw.execute("BEGIN")
    for statement in manifest.statements():
        raw.execute(statement)
    for number, table in enumerate(manifest.tables, 1):
        insert_rows(raw, table, parquet(data / file_of(number)))
    for statement in manifest.indexes():
        raw.execute(statement)
    raw.execute("COMMIT")
    for view in manifest.views:
        kinds = [each.type for each in raw.extract_statements(view.sql)]
        if kinds != [duckdb.StatementType.CREATE]:
            raise ValueError(f"{view.name!r} is no view")
        raw.execute(f"USE restored.{quoted(view.schema)}")
        raw.execute(view.sql)
    raw.execute("USE restored")
    views = raw.execute(
        "SELECT schema_name, view_name, sql FROM duckdb_views() "
        "WHERE database_name = 'restored' AND NOT internal"
    ).fetchall()
    wanted = [(view.schema, view.name, view.sql) for view in manifest.views]
    if counted(raw) != manifest.rows or sorted(views) != sorted(wanted):
        raise ValueError("its tables and views are not those that the manifest names")
    raw.execute("CHECKPOINT restored")
    raw.execute("USE memory")
    raw.execute("DETACH restored")


def insert_rows(raw: duckdb.DuckDBPyConnection, table: Table, source: str) -> None:
    """Put the rows of ``source``, which is SQL, into their table in the current database."""
    columns = columns_of(table.shape)
    name = table.shape.full_name(quoted)
    if not table.shape.own_keys:
        raw.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {source}")  # noqa: S608 - quoted names
        return

    def execute(sql: str) -> int:
        found: list[Any] = raw.execute(sql).fetchall()
        return int(found[0][0]) if found else 0

    types = ", ".join(
        f"CAST({quoted(column.name)} AS {column.type}) AS {quoted(column.name)}"
        for column in table.shape.stored
    )
    execute(f"CREATE TEMP TABLE andamios_stash AS SELECT {types} FROM {source}")  # noqa: S608 - quoted names
    for condition in rebuilding.rounds(execute, table.shape, _STASH, quoted):
        execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {_STASH}{condition}")  # noqa: S608 - quoted names
    execute(f"DROP TABLE {_STASH}")
