"""Instances of DuckDB that serve one file after another, for those who open thousands.

To make an instance takes DuckDB some 20 ms, to attach a file less than one. An instance is
hardened like any other, except that it can reach the files of one folder: no statement that
the engine lets through asks for them.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

import duckdb

from andamios_orm.dialect.quoting import literal, quoted

if TYPE_CHECKING:
    from pathlib import Path

    from andamios_orm.dialect.options import DatabaseOptions

__all__ = ["PARKED", "Instances"]

PARKED: Final = "andamios_parked"
"""What an instance that waits for a file is connected to: nothing, in memory."""


class Instances:
    """Keeps the instances of files in one folder whose databases were closed."""

    def __init__(self, folder: Path) -> None:
        """Serve files directly in ``folder``."""
        self.folder = folder.resolve()
        self.spill_folder = str(self.folder / "spill.tmp")
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._free: dict[int, list[duckdb.DuckDBPyConnection]] = {}

    def serves(self, path: Path | None, options: DatabaseOptions) -> bool:
        """Return whether the file is one of the folder, and opened as most of them are."""
        return (
            path is not None
            and path.parent == self.folder
            and options.hardened
            and not (options.allow or options.extensions or options.settings or options.read_only)
        )

    def take(self, threads: int) -> duckdb.DuckDBPyConnection | None:
        """Return an instance that waits for a file, if there is one; it is still parked."""
        with self._lock:
            free = self._free.get(threads)
            return free.pop() if free and os.getpid() == self._pid else None

    def keep(self, anchor: duckdb.DuckDBPyConnection, alias: str, threads: int) -> bool:
        """Let an instance, which has served ``alias``, wait for another file, if it can."""
        try:
            anchor.execute(f"ATTACH ':memory:' AS {PARKED}")
            anchor.execute(f"USE {PARKED}")
            anchor.execute(f"DETACH {quoted(alias)}")
        except duckdb.Error:
            return False
        with self._lock:
            self._free.setdefault(threads, []).append(anchor)
        return True

    def admit(self, anchor: duckdb.DuckDBPyConnection) -> None:
        """Let a new instance reach the folder, before it is hardened."""
        anchor.execute(f"SET GLOBAL allowed_directories=[{literal(f'{self.folder}/')}]")

    def close(self) -> None:
        """Close the instances that wait."""
        with self._lock:
            for free in self._free.values():
                while free:
                    free.pop().close()
