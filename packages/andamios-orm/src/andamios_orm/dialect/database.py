"""One private DuckDB instance per file or named memory database.

Every engine of this process that names the same file shares one instance, found
by device and inode, so that the write gate is one as well. Files are opened
through ``:memory:`` + ATTACH: a plain ``connect(path)`` can fail for ever after
a crash that followed an ALTER (DuckDB issues 18259, 19712, 20543).
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import shutil
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from andamios_orm.dialect.checkpoints import THRESHOLDS, Checkpoints
from andamios_orm.dialect.files import (
    alias_of,
    extension_path,
    has_log,
    identity_of,
    own_files,
)
from andamios_orm.dialect.gate import Owner, Slots, Ticket, WaitGraph, WriteGate
from andamios_orm.dialect.instances import PARKED
from andamios_orm.dialect.options import NEED_FILES, unknown_setting
from andamios_orm.dialect.quoting import literal, quoted
from andamios_orm.dialect.statements import StatementCache
from andamios_orm.dialect.translation import opening_error
from andamios_orm.dialect.watchdog import Watchdog
from andamios_orm.dialect.worker import Crew
from andamios_orm.exceptions import (
    ConfigurationError,
    DatabaseClosed,
    DatabaseReplaced,
    DatabaseUnavailable,
    ForkedProcess,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from andamios_orm.dialect.channel import Channel
    from andamios_orm.dialect.instances import Instances
    from andamios_orm.dialect.options import DatabaseOptions

__all__ = ["DuckDBDatabase"]

logger = logging.getLogger("andamios_orm.dialect")

_HARDENING = (
    "autoinstall_known_extensions",
    "autoload_known_extensions",
    "allow_persistent_secrets",
    "python_enable_replacements",
)
"""What a hardened instance is opened without."""

_GRACE = 2.0
"""Seconds that closing waits for connections which are on their way out."""

_LAST_GRACE = 1.5
"""Seconds that the end of the interpreter waits for statements, which were interrupted, to stop.

A thread that is still in DuckDB when the interpreter has gone ends the process with SIGABRT.
"""


class DuckDBDatabase:
    """An instance of DuckDB and everything its connections share."""

    def __init__(
        self,
        path: Path | None,
        name: str,
        options: DatabaseOptions,
        graph: WaitGraph,
        *,
        when_unused: Callable[[DuckDBDatabase], None],
        instances: Instances | None = None,
    ) -> None:
        """Describe the database; nothing is opened before ``open()``.

        ``when_unused`` is called when the last connection has gone and no
        engine refers to the database. ``instances`` are those that its file may be
        attached to.
        """
        self._when_unused = when_unused
        self._instances = instances
        self.path = path
        self.name = name
        self.options = options
        self.alias = alias_of(path) if path else None
        self.checkpoints: Checkpoints | None = None
        if path is not None and self.alias is not None and not options.read_only:
            alone = options.hardened and "ATTACH" not in options.allow
            self.checkpoints = Checkpoints(path, self.alias, alone=alone)
        self.gate = WriteGate(graph, str(path or name))
        self.slots = Slots(options.running_statements)
        self.watchdog = Watchdog()
        self.crew = Crew()
        self.statements = StatementCache(
            hardened=options.hardened,
            allow=options.allow,
            own_files=own_files(path),
        )
        self.identity = identity_of(path) if path else None
        self.commits = 0
        self.schema_changes = 0
        self.epoch = 0
        self.recovered_from_log = False
        self.pid = os.getpid()
        self.references = 0
        self.channels: weakref.WeakSet[Channel] = weakref.WeakSet()
        self.retiring = 0
        self.state = "new"
        self._anchor: duckdb.DuckDBPyConnection | None = None
        self._spill: str | None = None
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._finalizer: weakref.finalize[Any, Any] | None = None

    def __repr__(self) -> str:
        """Return the path or the name, and the state."""
        return f"<DuckDBDatabase {self.path or self.name} {self.state}>"

    # ---- opening -------------------------------------------------------------

    def open(self) -> None:
        """Open the instance, if it is not open; this blocks (a log may be replayed)."""
        with self._lock:
            if self._anchor is not None:
                return
            if self.state == "closed":
                raise DatabaseClosed(f"{self.path or self.name} was closed", path=self.path)
            self._check_path()
            self.recovered_from_log = has_log(self.path)
            try:
                anchor = self._open_instance()
            except Exception as error:
                named = opening_error(error, self.path)
                if named is error:
                    raise
                raise named from error
            self._anchor = anchor
            self.identity = identity_of(self.path) if self.path else None
            self.state = "open"
            self._finalizer = weakref.finalize(
                self,
                _finish,
                self.pid,
                self._lock,
                self.crew,
                self.channels,
                _Opened(anchor, self.checkpoints, self._spill),
            )

    def cursor(self) -> tuple[duckdb.DuckDBPyConnection, int]:
        """Return a new connection to the instance with its epoch; opens or recovers it first."""
        self.check_process()
        with self._lock:
            if self.state == "invalid":
                if self.path is None:
                    raise DatabaseUnavailable(
                        "DuckDB has invalidated this memory database and its content is lost: "
                        "dispose of the engine and fill a new one"
                    )
                self._recover()
            self.open()
            anchor = self._anchor
            assert anchor is not None  # noqa: S101 - open() has just set it
            return self._cursor_of(anchor), self.epoch

    def _cursor_of(self, anchor: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        raw = anchor.cursor()
        if self.alias is not None:
            raw.execute(f"USE {quoted(self.alias)}")
        return raw

    def _open_instance(self) -> duckdb.DuckDBPyConnection:
        """Return the anchor; what was in the log is in the file then, if the disk has room."""
        anchor = self._connect()
        if self.checkpoints is None or self.checkpoints.settle(anchor):
            return anchor
        close_quietly(anchor)
        return self._connect()

    def _check_path(self) -> None:
        if self.path is not None and "?" in self.path.name:
            raise ConfigurationError(
                f"{self.path} has a '?' in its name, behind which DuckDB looks for options: "
                f"rename it"
            )
        if self.path is not None and not self.path.parent.is_dir():
            raise ConfigurationError(
                f"the folder {self.path.parent} of the database does not exist: create it first"
            )

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """Return the anchor, of an instance with our file attached."""
        if self.checkpoints is not None and self.checkpoints.journal.undo():
            logger.warning("database %s: undid a checkpoint that a crash cut short", self.path)
        # One that is used again has no default database, which some logs want as they are replayed.
        instances = None if has_log(self.path) else self._instances
        used = instances.take(self.options.threads) if instances is not None else None
        anchor = used or duckdb.connect(":memory:", config=self._config())
        try:
            if used is None:
                self._set_up(anchor)
            else:
                self._attach(anchor)
                anchor.execute(f"DETACH {PARKED}")
                self._take_over(anchor)
        except BaseException:
            anchor.close()
            raise
        return anchor

    def _set_up(self, anchor: duckdb.DuckDBPyConnection) -> None:
        """Make a new instance ours: attached, configured, hardened and locked, in this order."""
        options = self.options
        if self.checkpoints is not None:
            anchor.execute("PRAGMA disable_checkpoint_on_shutdown")
        if self.alias is not None:
            self._attach(anchor)
            anchor.execute("DETACH memory")
        for extension in options.extensions:
            anchor.execute(f"LOAD {literal(extension_path(extension))}")
        anchor.execute("SET GLOBAL TimeZone='UTC'")
        self._configure(anchor)
        self._take_over(anchor)
        if options.hardened:
            anchor.execute("SET GLOBAL allow_community_extensions=false")
            if self._instances is not None:
                self._instances.admit(anchor)
            if not options.allow & NEED_FILES:
                anchor.execute("SET enable_external_access=false")
            if "SET" not in options.allow:
                anchor.execute("SET lock_configuration=true")

    def _attach(self, anchor: duckdb.DuckDBPyConnection) -> None:
        assert self.alias is not None  # noqa: S101 - only files are attached
        # Without its type, DuckDB would fetch an extension for a file of another kind.
        mode = "TYPE duckdb, READ_ONLY" if self.options.read_only else "TYPE duckdb"
        place = literal(str(self.path))
        anchor.execute(f"ATTACH {place} AS {quoted(self.alias)} ({mode})")
        anchor.execute(f"USE {quoted(self.alias)}")

    def _take_over(self, anchor: duckdb.DuckDBPyConnection) -> None:
        if self.checkpoints is not None:
            given = not THRESHOLDS.isdisjoint(dict(self.options.settings))
            self.checkpoints.take_over(anchor, threshold_given=given)

    def _config(self) -> dict[str, Any]:
        """Return what DuckDB is told as it opens; a statement for each would take longer."""
        config: dict[str, Any] = {"threads": self.options.threads}
        if self.checkpoints is not None:
            config["checkpoint_threshold"] = "none"
        if self.options.hardened:
            config |= dict.fromkeys(_HARDENING, False)
        return config

    def _configure(self, anchor: duckdb.DuckDBPyConnection) -> None:
        settings = dict(self.options.settings)
        if "temp_directory" not in settings:
            anchor.execute(f"SET GLOBAL temp_directory={literal(self._spill_folder())}")
        if not settings:
            return
        known = [row[0] for row in anchor.execute("SELECT name FROM duckdb_settings()").fetchall()]
        for name, value in settings.items():
            if name not in known:
                raise unknown_setting(name, known)
            try:
                anchor.execute(f"SET GLOBAL {name}={literal(value)}")
            except duckdb.Error as error:
                raise ConfigurationError(f"{name}={value!r}: {error}") from error

    def _spill_folder(self) -> str:
        if self._instances is not None:
            return self._instances.spill_folder
        if self.path is not None:
            return f"{self.path}.tmp"
        if self._spill is None:
            self._spill = str(Path(tempfile.gettempdir()) / f"andamios-{os.getpid()}-{id(self):x}")
        return self._spill

    @property
    def inherited(self) -> bool:
        """Whether a fork has brought it here; closing it would write the parent's file."""
        return os.getpid() != self.pid

    def check_process(self) -> None:
        """Raise if this is not the process that the database was opened in."""
        if self.inherited:
            raise ForkedProcess(
                f"the engine of {self.path or self.name or ':memory:'} was opened in process "
                f"{self.pid} and this is process {os.getpid()}: a fork cannot share DuckDB. Open "
                f"the engine after the fork, or start processes with 'spawn'"
            )

    # ---- while open ----------------------------------------------------------

    @property
    def in_place(self) -> bool:
        """Whether the file is still the one that was opened."""
        return self.path is None or identity_of(self.path) == self.identity

    def check_in_place(self) -> None:
        """Raise if the file is no longer the one that was opened: writes would be lost."""
        if not self.in_place:
            raise DatabaseReplaced(
                f"{self.path} was deleted or replaced while it was open, so nothing written now "
                f"would be found again: close the engine and open it anew",
                path=self.path,
            )

    def invalidate(self, epoch: int) -> None:
        """Note that the instance of ``epoch`` can no longer be used; the next use reopens it."""
        with self._lock:
            if self.epoch == epoch and self.state == "open":
                self.state = "invalid"
                logger.warning("database %s was invalidated by DuckDB", self.path or self.name)

    def _recover(self) -> None:
        """Open the file anew; every connection of the old instance is closed first."""
        self.check_in_place()
        for channel in list(self.channels):
            channel.detach()
        self._drop_anchor()
        self.epoch += 1
        self.statements.clear()
        self.state = "new"
        self.open()
        logger.warning("database %s was opened anew", self.path or self.name)

    @contextlib.contextmanager
    def reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a plain DuckDB connection in a transaction that can only read."""
        raw, _ = self.cursor()
        try:
            raw.execute("BEGIN TRANSACTION READ ONLY")
            yield raw
        finally:
            close_quietly(raw)

    @contextlib.contextmanager
    def raw(
        self, *, write: bool = False, timeout: float | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a plain DuckDB connection, hardened like every other one.

        It blocks the thread that uses it. With ``write=True`` it holds the
        write gate and commits each statement by itself; without, it is in a
        transaction that can only read.

        Raises:
            DatabaseReplaced: it was to write, and the file is no longer in its place.
        """
        if not write:
            with self.reader() as raw:
                yield raw
            return
        ticket = Ticket(Owner.of_thread(), "raw connection")
        self.gate.acquire(ticket, self.options.write_timeout if timeout is None else timeout)
        try:
            self.check_in_place()
            raw, _ = self.cursor()
            try:
                yield raw
                self.check_in_place()
            finally:
                (never_close if self.inherited else close_quietly)(raw)
                self.commits += 1
                self.owe_checkpoint()
                self.after_write(schema_changed=True)
        finally:
            self.gate.release(ticket)

    def guarded_checkpoint(
        self, raw: duckdb.DuckDBPyConnection
    ) -> contextlib.AbstractContextManager[None]:
        """Return the block in which a statement of the user may write the log back."""
        checkpoints = self.checkpoints
        return checkpoints.guarded(raw) if checkpoints is not None else contextlib.nullcontext()

    def owe_checkpoint(self) -> None:
        """Note that the schema may have changed between rows, where nobody could see it."""
        if self.checkpoints is not None:
            self.checkpoints.owe()

    def after_write(self, *, schema_changed: bool) -> None:
        """Write the log back if that is due; who calls it holds the gate, outside of a transaction.

        It raises nothing: what was committed is committed, and the log keeps it.
        """
        self.schema_changes += schema_changed
        checkpoints = self.checkpoints
        if checkpoints is None or self.inherited:
            return
        try:
            if checkpoints.due(schema_changed=schema_changed):
                self._write_back(checkpoints)
        except Exception:
            logger.exception("could not write the log of %s back", self.path)

    def _write_back(self, checkpoints: Checkpoints) -> None:
        with self._lock:
            anchor, epoch = self._anchor, self.epoch
            if anchor is None or self.state != "open":
                return
            raw = self._cursor_of(anchor)
        try:
            whole = checkpoints.run(raw)
        finally:
            close_quietly(raw)
        if not whole:
            self.invalidate(epoch)

    # ---- closing -------------------------------------------------------------

    def forget(self, channel: Channel) -> None:
        """Note that ``channel`` has closed; the last one out closes the instance."""
        with self._changed:
            self.channels.discard(channel)
            self._changed.notify_all()
        if self.references == 0:
            self._when_unused(self)

    def wait_for_retiring(self) -> None:
        """Wait, at most a moment, for connections that are closing."""
        deadline = time.monotonic() + _GRACE
        with self._changed:
            while any(channel.retiring for channel in self.channels):
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    return

    def close(self) -> None:
        """Close the instance; what still runs is interrupted."""
        with self._lock:
            still_open = [c for c in list(self.channels) if not c.detach()]
            self._drop_anchor(may_be_kept=not still_open)
            if self.checkpoints is not None and not still_open:
                self.checkpoints.journal.close()
            self.watchdog.stop()
            self.crew.dismiss()
            self.state = "closed"
            if self._spill is not None:
                shutil.rmtree(self._spill, ignore_errors=True)

    def _drop_anchor(self, *, may_be_kept: bool = False) -> None:
        finalizer, self._finalizer = self._finalizer, None
        anchor, self._anchor = self._anchor, None
        if anchor is None or finalizer is None or not finalizer.alive:
            return  # it was closed, or the interpreter ends and has done so
        broken = self.state == "invalid"
        if self.checkpoints is not None and not broken:
            self.checkpoints.finish(anchor)
        if not (may_be_kept and not broken and self._keep(anchor)):
            close_quietly(anchor)
        finalizer.detach()  # not before: an end of the interpreter waits here for the lock

    def _keep(self, anchor: duckdb.DuckDBPyConnection) -> bool:
        instances, alias = self._instances, self.alias
        if instances is None or alias is None:
            return False
        return instances.keep(anchor, alias, self.options.threads)


def close_quietly(connection: duckdb.DuckDBPyConnection) -> None:
    """Close a connection that may be broken.

    Its transaction is ended first: DuckDB ends the whole process when a
    connection of an invalidated database is closed inside of one.
    """
    for step in (connection.rollback, connection.close):
        with contextlib.suppress(duckdb.Error):
            step()


def never_close(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep a connection that a fork has brought here: closing it would write the parent's file."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


class _Opened(NamedTuple):
    """What the end of the interpreter closes."""

    anchor: duckdb.DuckDBPyConnection
    checkpoints: Checkpoints | None
    spill: str | None


def _finish(
    pid: int,
    lock: threading.RLock,
    crew: Crew,
    channels: weakref.WeakSet[Channel],
    opened: _Opened,
) -> None:
    """Let the interpreter end: stop what runs, then close, so that the log is written back."""
    anchor, checkpoints, spill = opened
    if os.getpid() != pid:
        never_close(anchor)
        return
    deadline = time.monotonic() + _LAST_GRACE
    for channel in list(channels):
        channel.withdraw()
        channel.interrupt()
    crew.leave(_LAST_GRACE)
    for channel in list(channels):
        channel.settle(patience=max(0.0, deadline - time.monotonic()))
    still_open = [channel for channel in list(channels) if not channel.detach(patience=0.0)]
    with lock:  # another thread may be closing it right now
        if checkpoints is not None:
            checkpoints.finish(anchor)
        close_quietly(anchor)
        if checkpoints is not None and not still_open:
            checkpoints.journal.close()
    if spill is not None:
        shutil.rmtree(spill, ignore_errors=True)
