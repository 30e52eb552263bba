"""Which databases are open in this process: one object per file or named memory database."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from andamios_orm.dialect.database import DuckDBDatabase
from andamios_orm.dialect.files import identity_of
from andamios_orm.dialect.gate import WaitGraph
from andamios_orm.dialect.instances import Instances
from andamios_orm.exceptions import DatabaseAlreadyOpen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from andamios_orm.dialect.options import DatabaseOptions

__all__ = ["Registry", "registry"]


class Registry:
    """The databases that are open in this process: one object per file.

    This is the one piece of state that belongs to the process, because DuckDB's
    lock on a file does.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self.graph = WaitGraph()
        self._databases: list[DuckDBDatabase] = []
        self._closing: list[DuckDBDatabase] = []
        self._instances: Instances | None = None
        self._changed = threading.Condition()

    def acquire(self, database: str, options: DatabaseOptions) -> DuckDBDatabase:
        """Return the database named in a URL, opened, with one more reference to it.

        Raises:
            DatabaseAlreadyOpen: it is open with other options.
            ForkedProcess: it was open when this process was forked.
        """
        path, name = _place(database)
        with self._changed:
            found = self._find(path, name)
            while found is not None and found in self._closing:
                self._changed.wait()
                found = self._find(path, name)
            if found is None:
                found = DuckDBDatabase(
                    path,
                    name,
                    options,
                    self.graph,
                    when_unused=self.close_if_unused,
                    instances=self._instances_for(path, options),
                )
                self._databases.append(found)
            found.check_process()
            if difference := options.conflict_with(found.options):
                raise DatabaseAlreadyOpen(
                    f"{path or name} is open in this process already, with another {difference}: "
                    f"give both engines the same options, or use one engine",
                    path=path,
                )
            found.references += 1
        try:
            found.open()
        except BaseException:
            self.release(found)
            raise
        return found

    def release(self, database: DuckDBDatabase) -> None:
        """Drop one reference; the last one closes the database. Blocks while it closes."""
        with self._changed:
            database.references -= 1
        if database.references == 0:
            database.wait_for_retiring()
            self.close_if_unused(database)

    def close_if_unused(self, database: DuckDBDatabase) -> None:
        """Close ``database`` if no engine refers to it and no connection is open."""
        with self._changed:
            if (
                database.inherited
                or database.references
                or len(database.channels)
                or database in self._closing
                or database not in self._databases
            ):
                return
            self._closing.append(database)
        try:
            database.close()
        finally:
            with self._changed:
                self._databases.remove(database)
                self._closing.remove(database)
                self._changed.notify_all()

    def __iter__(self) -> Iterator[DuckDBDatabase]:
        """Iterate over the open databases."""
        return iter(list(self._databases))

    @contextmanager
    def reusing_instances(self, folder: Path) -> Iterator[None]:
        """Let files of ``folder`` share instances of DuckDB, one after another, in the block.

        This is for tests, which open thousands of files: see ``instances.py``.
        """
        instances = self._instances = Instances(folder)
        try:
            yield
        finally:
            self._instances = None
            instances.close()

    def _instances_for(self, path: Path | None, options: DatabaseOptions) -> Instances | None:
        instances = self._instances
        return instances if instances is not None and instances.serves(path, options) else None

    def _find(self, path: Path | None, name: str) -> DuckDBDatabase | None:
        if path is None:
            if not name:
                return None
            return next((d for d in self._databases if d.path is None and d.name == name), None)
        identity = identity_of(path)
        for database in self._databases:
            if database.path is None:
                continue
            if database.path == path or (identity is not None and database.identity == identity):
                return database
        return None


registry = Registry()


def _place(database: str) -> tuple[Path | None, str]:
    """Return (path, name) of what stands in the URL; anonymous memory has neither."""
    if database in {"", ":memory:"}:
        return None, ""
    if database.startswith(":memory:"):
        return None, database
    return Path(database).expanduser().resolve(), database
