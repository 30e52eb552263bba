"""When the log of a file is written back into it: never by DuckDB itself.

DuckDB 1.5 has three ways to lose what a log holds, all of them around a
checkpoint, so each checkpoint is one of these, by a statement and on purpose:

- One that DuckDB makes by itself while it closes a file leaves out of the
  secondary indexes what was replayed from a log and not touched since (DuckDB
  issue 23788, pull request 25771): queries then miss rows. The statement
  CHECKPOINT does not, and one follows each replay.
- A log in which rows stand between changes of the schema can end the process
  that replays it (issue 25928). So a change of the schema is written back at
  once, unless the log has nothing but that.
- Metadata is overwritten in place: see ``journal``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from typing import TYPE_CHECKING

import duckdb

from andamios_orm.dialect.journal import Journal
from andamios_orm.dialect.quoting import quoted
from andamios_orm.dialect.translation import is_invalidated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["THRESHOLDS", "Checkpoints"]

logger = logging.getLogger("andamios_orm.dialect")

THRESHOLDS = frozenset({"checkpoint_threshold", "wal_autocheckpoint"})
"""The names that DuckDB has for one setting: how long the log may grow."""

_THRESHOLD = 16 * 2**20
"""Bytes of it that are allowed if nothing is said, as in DuckDB."""

_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}

_BUSY = 0.1
"""Seconds before it is tried again when others still read what it would clear away."""

_BROKEN = 30.0
"""Seconds before it is tried again after it has failed, which costs DuckDB's instance."""

_OTHERS = (
    "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND NOT readonly"
    " AND type = 'duckdb' AND path IS NOT NULL AND database_name <> ?"
)
"""Files that a user has attached: as the instance is closed, they are written back as well."""

_TEMPORARY = 1 << 62
"""Blocks with higher numbers are in memory only."""


class Checkpoints:
    """Writes the log of one file back; one thread at a time."""

    def __init__(self, path: Path, alias: str, *, alone: bool = True) -> None:
        """Belong to the file at ``path``, ``alias`` in SQL; ``alone`` if users attach no other."""
        self._alone = alone
        self.threshold = _THRESHOLD
        self.journal = Journal(path)
        self._log = f"{path}.wal"
        self._alias = alias
        self._lock = threading.Lock()
        self._size = 0
        self._owed = False
        self._not_before = 0.0

    @property
    def log_size(self) -> int:
        """Bytes in the log; 0 if there is none."""
        try:
            return os.stat(self._log).st_size  # noqa: PTH116 - the fast form; it runs at every commit
        except OSError:
            return 0

    def take_over(self, anchor: duckdb.DuckDBPyConnection, *, threshold_given: bool) -> None:
        """Keep DuckDB, which has just opened the file, from making checkpoints by itself.

        It was opened without a threshold; if the user has given one, it is ours from here on.
        """
        if threshold_given:
            [(threshold,)] = anchor.execute(
                "SELECT current_setting('checkpoint_threshold')"
            ).fetchall()
            self.threshold = _bytes(threshold)
            anchor.execute("SET GLOBAL checkpoint_threshold='none'")
        self.journal.open()
        self._size = self.log_size

    def settle(self, anchor: duckdb.DuckDBPyConnection) -> bool:
        """Write back what was replayed; False if that has cost us the instance."""
        return not self.log_size or time.monotonic() < self._not_before or self.run(anchor)

    def owe(self) -> None:
        """Note that the schema may have changed between rows, where nobody could see it."""
        self._owed = True

    def due(self, *, schema_changed: bool) -> bool:
        """Whether the log has to be written back after a transaction that has ended just now."""
        before, self._size = self._size, self.log_size
        # A log that is empty has nothing that could be out of order.
        self._owed = self._size > 0 and (self._owed or (schema_changed and before > 0))
        return (
            self._size > 0
            and (self._owed or self._size > self.threshold)
            and time.monotonic() >= self._not_before
        )

    def run(self, raw: duckdb.DuckDBPyConnection) -> bool:
        """Write the log back, or leave it for later; False if that has cost us the instance."""
        try:
            with self.guarded(raw):
                raw.execute(f"CHECKPOINT {quoted(self._alias)}")
        except (duckdb.TransactionException, OSError) as error:
            self._not_before = time.monotonic() + _BUSY
            logger.debug("no checkpoint of %s now: %s", self._alias, error)
        except duckdb.Error as error:
            self._not_before = time.monotonic() + _BROKEN
            logger.warning("could not write the log of %s back: %s", self._alias, error)
            return not is_invalidated(error)
        else:
            self._owed = False
            self._size = self.log_size
        return True

    def finish(self, raw: duckdb.DuckDBPyConnection) -> None:
        """Write the log back as the file is closed; what cannot be is replayed at the next open."""
        if self.log_size:
            self.run(raw)
        if self._alone:
            return
        with contextlib.suppress(duckdb.Error):
            for (other,) in raw.execute(_OTHERS, [self._alias]).fetchall():
                raw.execute(f"CHECKPOINT {quoted(other)}")

    @contextlib.contextmanager
    def guarded(self, raw: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Let the block make a checkpoint that a crash cannot leave half done.

        What fails before it has begun raises ``duckdb.TransactionException``, or ``OSError``.
        """
        with self._lock:
            if not self.journal.in_place:
                raise FileNotFoundError(f"{self._log} may be that of another file by now")
            blocks = self._metadata(raw)
            if blocks:
                self.journal.save(blocks, self._block_size(raw))
            try:
                yield
            except duckdb.TransactionException:
                self.journal.discard()
                raise
            self.journal.discard()

    def _metadata(self, raw: duckdb.DuckDBPyConnection) -> list[int]:
        found = raw.execute("SELECT block_id FROM pragma_metadata_info(?)", [self._alias])
        return [block for (block,) in found.fetchall() if block < _TEMPORARY]

    def _block_size(self, raw: duckdb.DuckDBPyConnection) -> int:
        [(size,)] = raw.execute(
            "SELECT block_size FROM pragma_database_size() WHERE database_name = ?", [self._alias]
        ).fetchall()
        return int(size)


def _bytes(size: str) -> int:
    """Return the bytes in a size as DuckDB prints it: ``15.2 MiB``."""
    number, unit = size.split()
    return int(float(number) * _UNITS[unit])
