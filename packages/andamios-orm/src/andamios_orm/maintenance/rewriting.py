"""Making a DuckDB file anew, without the room that nothing uses, and putting it in its place.

DuckDB gives free blocks to what is written later; the file becomes smaller only where its
end is free. So all that is in it is copied into a new file, which takes the name of the old
one when it is on the disk and was compared with it. Until then nothing happens to the old
file, and from the beginning nobody else can open it: DuckDB holds its lock.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
from sqlalchemy import create_engine
from sqlalchemy.engine import URL

from andamios_orm.dialect.database import close_quietly
from andamios_orm.dialect.files import sync_folder
from andamios_orm.dialect.options import REFUSABLE
from andamios_orm.dialect.quoting import literal, quoted
from andamios_orm.dialect.translation import statement_error
from andamios_orm.exceptions import BackupFailed, DatabaseFault
from andamios_orm.maintenance.exporting import checksum, columns_of, described
from andamios_orm.maintenance.importing import insert_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm.dialect.database import DuckDBDatabase
    from andamios_orm.maintenance.manifests import Table

__all__ = ["Rewriting"]

_HEADER: Final = 4096
_OF_DATABASE: Final = "database_name = $1"
_CATALOG: Final = {
    "schema": "schema_name, comment FROM duckdb_schemas() WHERE NOT internal",
    "type": "schema_name, type_name, logical_type, labels, comment FROM duckdb_types() "
    "WHERE NOT internal",
    "sequence": "schema_name, sequence_name, sql, comment FROM duckdb_sequences() "
    "WHERE NOT temporary",
    "table": "schema_name, table_name, sql, comment FROM duckdb_tables() "
    "WHERE NOT internal AND NOT temporary",
    "column": "schema_name, table_name, column_name, column_index, data_type, column_default, "
    "is_nullable, comment FROM duckdb_columns() WHERE NOT internal",
    "constraint": "schema_name, table_name, constraint_type, constraint_text, expression, "
    "constraint_column_names, referenced_table, referenced_column_names FROM duckdb_constraints() "
    "WHERE true",
    "index": "schema_name, index_name, table_name, sql, is_unique, is_primary, comment "
    "FROM duckdb_indexes() WHERE true",
    "view": "schema_name, view_name, sql, comment FROM duckdb_views() "
    "WHERE NOT internal AND NOT temporary",
    "macro": "schema_name, function_name, function_type, parameters, macro_definition, comment "
    "FROM duckdb_functions() WHERE NOT internal",
}
"""All that a database has beside rows, by what it is called."""


class _Stopped(Exception):
    """The task that waits for it was cancelled."""


class Rewriting:
    """What one thread does with one file; ``stop()`` may come from another."""

    def __init__(self, path: Path, progress: Callable[[int, int], None]) -> None:
        """Name the file, which nobody has open; ``progress`` is called with rows."""
        self._path = path
        self._draft = path.with_name(f"{path.name}.vacuum.part")
        self._progress = progress
        self._done = self._total = 0
        self._stopped = False
        self._raw: duckdb.DuckDBPyConnection | None = None

    def run(self) -> int:
        """Put the new file in the place of the old one, and return how many tables it has.

        Raises:
            BackupFailed: the new file would not be the same; the old one is as it was.
            DatabaseLocked: another process has the file open.
        """
        # What no other engine is given: so none of this process opens the file meanwhile.
        engine = create_engine(
            URL.create("duckdb+andamios", database=str(self._path)), hardened=False, allow=REFUSABLE
        )
        try:
            with engine.connect() as connection:
                tables = described(connection).tables
            opened: DuckDBDatabase = engine.dialect.holder.database  # type: ignore[attr-defined]  # ours
            raw, _ = opened.cursor()
            self._remove_draft()  # which one that was killed has left
            try:
                with self._named_errors():
                    self._rewrite(opened, raw, tables)
            finally:
                self._raw = None
                close_quietly(raw)
            return len(tables)
        finally:
            engine.dispose()
            self._remove_draft()

    def stop(self) -> None:
        """Let it end soon, unless the new file has its name already."""
        self._stopped = True
        raw = self._raw
        if raw is not None:
            raw.interrupt()

    def _rewrite(
        self, opened: DuckDBDatabase, raw: duckdb.DuckDBPyConnection, tables: tuple[Table, ...]
    ) -> None:
        assert opened.checkpoints is not None  # noqa: S101 - it is a file that can be written
        assert opened.alias is not None  # noqa: S101 - likewise
        old, new = opened.alias, f"{opened.alias}_new"
        opened.checkpoints.run(raw)
        self._require_no_log(opened)
        self._raw = raw  # which may be interrupted from here on
        self._attach(raw, old, new)
        raw.execute(f"COPY FROM DATABASE {quoted(old)} TO {quoted(new)} (SCHEMA)")
        raw.execute(f"USE {quoted(new)}")
        # Sorted by those of the old file: each row counts when it is copied, and when compared.
        counts = [self._count(raw, _name(old, table)) for table in tables]
        self._total = 2 * sum(counts)
        for table, count in zip(tables, counts, strict=True):
            insert_rows(raw, table, _name(old, table))
            self._advance(count)
        raw.execute(f"CHECKPOINT {quoted(new)}")
        raw.execute(f"USE {quoted(old)}")
        raw.execute(f"DETACH {quoted(new)}")
        self._compare(raw, old, tables, counts)
        self._sync()
        self._require_no_log(opened)
        self._swap()

    def _require_no_log(self, opened: DuckDBDatabase) -> None:
        """Refuse to go on while a log has something that is not in the file.

        Raises:
            BackupFailed: it has; the new file would have it applied.
        """
        assert opened.checkpoints is not None  # noqa: S101 - it is a file that can be written
        if opened.checkpoints.log_size:
            raise BackupFailed(
                f"the log of {self._path} cannot be written back, perhaps for lack of room on the "
                f"disk: nothing was changed"
            )

    def _attach(self, raw: duckdb.DuckDBPyConnection, old: str, new: str) -> None:
        """Attach the new file, in the format of the old one."""
        [(tags, block_size)] = raw.execute(
            "SELECT tags, block_size FROM duckdb_databases() "
            "JOIN pragma_database_size() USING (database_name) WHERE database_name = $1",
            [old],
        ).fetchall()
        version = literal(tags["storage_version"].removesuffix("+"))
        raw.execute(
            f"ATTACH {literal(str(self._draft))} AS {quoted(new)} "
            f"(TYPE duckdb, BLOCK_SIZE {int(block_size)}, STORAGE_VERSION {version})"
        )

    def _compare(
        self, raw: duckdb.DuckDBPyConnection, old: str, tables: tuple[Table, ...], counts: list[int]
    ) -> None:
        """Read the new file as anybody would, and compare it with the old one.

        Raises:
            BackupFailed: they differ.
        """
        with duckdb.connect(":memory:") as reader:
            reader.execute(f"ATTACH {literal(str(self._draft))} AS copy (TYPE duckdb, READ_ONLY)")
            for kind, query in _CATALOG.items():
                here, there = _entries(raw, query, old), _entries(reader, query, "copy")
                if here != there:
                    names = sorted({entry[1] or entry[0] for entry in here ^ there})
                    raise BackupFailed(
                        f"{self._path} was not changed: in a new file a {kind} would not be as it "
                        f"is: {', '.join(names)}"
                    )
            for table, count in zip(tables, counts, strict=True):
                self._look_at_stop()
                columns = columns_of(table.shape)
                before = checksum(raw, columns, _name(old, table))
                if checksum(reader, columns, _name("copy", table)) != before:
                    raise BackupFailed(
                        f"{self._path} was not changed: in a new file {table.shape.name} has other "
                        f"rows"
                    )
                self._advance(count)

    def _sync(self) -> None:
        """Put the new file on the disk, as the owner of the old one may use it."""
        shutil.copymode(self._path, self._draft)
        status = self._path.stat()
        descriptor = os.open(self._draft, os.O_RDWR | os.O_CLOEXEC)
        try:
            with contextlib.suppress(PermissionError):
                os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _swap(self) -> None:
        """Give the new file the name of the old one."""
        self._look_at_stop()
        # DuckDB's lock ends when this is closed, so it is closed last of all.
        old = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._draft.replace(self._path)
            sync_folder(self._path.parent)
            # Whoever had opened the old file, and waited for its lock, would write where nobody
            # looks. It finds no database instead.
            os.pwrite(old, bytes(_HEADER), 0)
        finally:
            os.close(old)

    def _count(self, raw: duckdb.DuckDBPyConnection, name: str) -> int:
        self._look_at_stop()
        [(count,)] = raw.execute(f"SELECT count(*) FROM {name}").fetchall()  # noqa: S608 - quoted names
        return int(count)

    def _advance(self, rows: int) -> None:
        self._look_at_stop()
        self._done += rows
        self._progress(self._done, self._total)

    def _look_at_stop(self) -> None:
        if self._stopped:
            raise _Stopped

    @contextlib.contextmanager
    def _named_errors(self) -> Any:
        """Say in our words what DuckDB refuses.

        Raises:
            BackupFailed: a table breaks a rule of its own, or the new file cannot be made.
            DatabaseFault: the disk is full, or the file is damaged.
        """
        try:
            yield
        except duckdb.InterruptException:
            raise _Stopped from None
        except duckdb.Error as error:
            named = statement_error(error, "", None, hide_parameters=True, path=self._path)
            if isinstance(named, DatabaseFault) and not isinstance(
                error, duckdb.ConstraintException
            ):
                raise named from error
            first = str(error).splitlines()[0]
            raise BackupFailed(
                f"{self._path} was not changed, for a new file cannot be made of it ({first}): "
                f"'andamios-orm verify' says which rows break a rule"
            ) from error

    def _remove_draft(self) -> None:
        for leftover in (self._draft, Path(f"{self._draft}.wal")):
            leftover.unlink(missing_ok=True)


def _entries(raw: duckdb.DuckDBPyConnection, query: str, database: str) -> set[tuple[Any, ...]]:
    found = raw.execute(f"SELECT {query} AND {_OF_DATABASE}", [database])
    return {tuple(map(_hashable, row)) for row in found.fetchall()}


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _name(database: str, table: Table) -> str:
    return f"{quoted(database)}.{quoted(table.schema)}.{quoted(table.shape.name)}"
