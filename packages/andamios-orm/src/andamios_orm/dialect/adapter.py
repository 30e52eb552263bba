"""Connections and cursors as SQLAlchemy expects them, over a ``Channel``.

The loop's side and the worker's side each change only their own state. What the
loop knows of a transaction (was anything sent, did it write, did it fail) it
learns from replies; the channel keeps its own account in the worker.
"""

from __future__ import annotations

import _thread
import asyncio
import weakref
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.engine import AdaptedConnection

from andamios_orm.dialect.calls import Call, Reply
from andamios_orm.dialect.channel import Channel
from andamios_orm.dialect.cursors import Cursor
from andamios_orm.dialect.gate import Owner
from andamios_orm.dialect.greenlets import await_
from andamios_orm.exceptions import DatabaseClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from andamios_orm.dialect.calls import Row, Rows
    from andamios_orm.dialect.database import DuckDBDatabase
    from andamios_orm.dialect.options import DatabaseOptions
    from andamios_orm.dialect.worker import Worker

__all__ = ["AsyncConnection", "BlockingConnection", "Connection", "DriverConnection"]

T = TypeVar("T")


class Connection:
    """What async and blocking connections share: the loop's account of the transaction."""

    def __init__(self, database: DuckDBDatabase, options: DatabaseOptions) -> None:
        """Use a channel of ``database``; nothing is opened before the first statement."""
        self.database = database
        self.autocommit = False
        self.write_intent = False
        self.statement_timeout = options.statement_timeout
        self.closed = False
        self._channel = Channel(database)
        self._channel.write_timeout = options.write_timeout
        self._used = False
        self._wrote = False
        self._failed = False
        self._last: list[Call] = []
        self.changes = self.changes_before = 0
        """Statements that changed rows that were there: ever, and before this transaction."""

    @property
    def only_reads(self) -> bool:
        """Whether the transaction has neither written nor failed."""
        return not (self._wrote or self._failed)

    # what the two kinds do differently

    def owner(self) -> Owner:
        """Return who is asking."""
        raise NotImplementedError

    def _run(self, call: Call, function: Callable[..., T], *arguments: Any) -> T:
        raise NotImplementedError

    def _finish(self, function: Callable[[], None]) -> None:
        raise NotImplementedError

    def _post(self, function: Callable[[], None]) -> None:
        raise NotImplementedError

    # the DBAPI

    def cursor(self, *, server_side: bool = False) -> Cursor:
        """Return a new cursor."""
        return Cursor(self, server_side=server_side)

    def execute(self, call: Call) -> Reply:
        """Run ``call`` in this connection's transaction, or keep it for the commit."""
        if call.at_commit is not None:
            return self._keep_for_commit(call)
        return self._execute(call)

    def _keep_for_commit(self, call: Call) -> Reply:
        if self.autocommit:
            return self._execute_now(call)
        self._last.append(call)
        self._used = True
        return Reply()

    def _execute_now(self, call: Call) -> Reply:
        """Run a statement that was meant for the commit, and all that follows from it."""
        reply = self._execute(call)
        further = call.at_commit(reply.rows) if call.at_commit is not None else None
        if further is not None:
            self._execute_now(replace(call, **further._asdict()))
        return Reply()

    def _execute(self, call: Call) -> Reply:
        call.autocommit = self.autocommit
        call.write_intent = self.write_intent
        self._used = True
        try:
            reply = self._run(call, self._channel.execute, call)
        except BaseException:
            self._failed = True
            raise
        self._wrote = self._wrote or reply.wrote
        self.changes += reply.changed
        return reply

    def fetch(self, rows: Rows, count: int, call: Call) -> list[Row]:
        """Return up to ``count`` more rows of a stream."""
        try:
            return self._run(call, self._channel.fetch, rows, count, call)
        except BaseException:
            self._failed = True
            raise

    def hand_out(
        self,
        function: Callable[[duckdb.DuckDBPyConnection], T],
        *,
        write: bool,
        changes_schema: bool,
    ) -> T:
        """Return ``function(raw connection)``, run where the connection lives."""
        call = Call("a call on the raw connection", None, self.owner())
        call.autocommit = self.autocommit
        call.changes_schema = changes_schema
        result: T
        if not write:
            result = self._run(call, self._channel.run_beside, function, call)
            return result
        self._used = self._wrote = True
        try:
            result = self._run(call, self._channel.run, function, call)
        except BaseException:
            self._failed = True
            raise
        self.changes += 1
        return result

    def begin(self) -> None:
        """Do nothing: BEGIN travels with the first statement."""

    def commit(self) -> None:
        """Commit what was done since the last commit; nothing was done, nothing is sent."""
        if not self._used:
            self.write_intent = False
            return
        last = self._what_remains()
        careful = self._channel.streaming or (
            not self.autocommit and (self._wrote or self._failed or self.write_intent)
        )
        self._forget()
        if careful:
            self._finish(partial(self._channel.commit, last))
        else:
            self._post(self._channel.rollback)

    def _what_remains(self) -> list[Call]:
        """Return what is to run in the hop of COMMIT.

        Without a write so far there is no gate yet, and the wait for it may be
        cancelled: then it runs in hops of its own.
        """
        last, self._last = self._last, []
        if self._wrote:
            return last
        try:
            for call in last:
                self._execute_now(call)
        except BaseException:
            self.rollback()
            raise
        return []

    def rollback(self) -> None:
        """Undo what was done; for a transaction that only read nobody waits."""
        if not self._used:
            self.write_intent = False
            return
        careful = not self.autocommit and (self._wrote or self._failed or self.write_intent)
        self._forget()
        if careful:
            self._finish(self._channel.rollback)
        else:
            self._post(self._channel.rollback)

    def leave_no_trace(self) -> None:
        """Make the next user of a pooled connection find no temporary table, nor a changed seed."""
        if self._channel.lingers and not self.closed:
            self._post(self._channel.renew)

    def close(self) -> None:
        """Give the connection back to DuckDB."""
        if not self.closed:
            self.closed = True
            self._channel.retire()
            self._post(self._channel.close)

    def terminate(self) -> None:
        """Close without waiting for what runs: it is interrupted."""
        self._channel.interrupt()
        self.close()

    def _forget(self) -> None:
        self._used = self._wrote = self._failed = self.write_intent = False
        self._last = []
        self.changes_before = self.changes


class AsyncConnection(Connection, AdaptedConnection):
    """A connection whose statements run on a thread of its own."""

    def __init__(self, database: DuckDBDatabase, options: DatabaseOptions, worker: Worker) -> None:
        """Use ``worker``, which belongs to this connection alone from now on."""
        super().__init__(database, options)
        self._worker = worker
        self._hops_before = worker.hops
        self._connection: Any = DriverConnection(self)
        self._abandoned = weakref.finalize(self, _retire, worker, self._channel)
        self._abandoned.atexit = False

    @property
    def hops(self) -> int:
        """How often the loop has waited for the worker so far."""
        return self._worker.hops - self._hops_before

    def owner(self) -> Owner:
        """Return the current task."""
        return Owner.of_task(asyncio.current_task())

    def _keep_for_commit(self, call: Call) -> Reply:
        reply = super()._keep_for_commit(call)
        await_(_at_once())
        return reply

    def _run(self, call: Call, function: Callable[..., T], *arguments: Any) -> T:
        self._check_process()
        if self.closed:  # its worker has gone, or works for another
            raise DatabaseClosed("the connection was closed", path=self.database.path)
        working = self._worker.submit(function, *arguments)
        try:
            if call.meanwhile is not None:
                call.meanwhile()
        except BaseException:
            await_(self._abandon(call))
            raise
        try:
            return await_(working)
        except asyncio.CancelledError:
            await_(self._abandon(call))
            raise

    async def _abandon(self, call: Call) -> None:
        """Return when the worker is done with ``call``, interrupting it until it is."""
        passed = self._worker.submit(_nothing)
        while not passed.done():
            self._channel.cancel(call)
            try:
                await asyncio.wait({passed}, timeout=_INTERRUPT_AGAIN)
            except asyncio.CancelledError:
                continue  # cancelled once more; the worker still has to be waited for

    def _finish(self, function: Callable[[], None]) -> None:
        self._check_process()
        await_(_to_its_end(self._worker.submit(function)))

    def _post(self, function: Callable[[], None]) -> None:
        self._worker.post(function)

    def close(self) -> None:
        """Close in the worker's turn; the thread rests until another connection needs it."""
        if not self.closed:
            super().close()
            self._abandoned.detach()
            self.database.crew.rest(self._worker)

    def terminate(self) -> None:
        """Close without waiting for what runs: it is interrupted, and the thread ends."""
        if not self.closed:
            self._channel.interrupt()
            super().close()
            self._abandoned.detach()
            self._worker.stop()

    def _check_process(self) -> None:
        self.database.check_process()


_INTERRUPT_AGAIN = 0.01


def _nothing() -> None:
    pass


async def _at_once() -> None:
    """Take no time: SQLAlchemy only wants to see that something was awaited."""


def _retire(worker: Worker, channel: Channel) -> None:
    """Close what a connection left behind that was dropped without being closed."""
    channel.retire()
    channel.interrupt()
    worker.post(channel.close)
    worker.stop()


async def _to_its_end(future: asyncio.Future[None]) -> None:
    """Await a COMMIT or ROLLBACK, whose outcome is known before a cancellation leaves."""
    try:
        await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait({future})
            except asyncio.CancelledError:
                continue
        if not future.cancelled() and (error := future.exception()) is not None:
            raise asyncio.CancelledError from error
        raise


class BlockingConnection(Connection):
    """A connection whose statements run on the thread that asks."""

    def __init__(self, database: DuckDBDatabase, options: DatabaseOptions) -> None:
        """Close the channel when this is dropped without being closed."""
        super().__init__(database, options)
        self._abandoned = weakref.finalize(self, _close_elsewhere, self._channel)
        self._abandoned.atexit = False

    def close(self) -> None:
        """Close at once."""
        self._abandoned.detach()
        super().close()

    def owner(self) -> Owner:
        """Return the current thread."""
        return Owner.of_thread()

    def _run(self, call: Call, function: Callable[..., T], *arguments: Any) -> T:
        if call.meanwhile is not None:
            call.meanwhile()
        return function(*arguments)

    def _finish(self, function: Callable[[], None]) -> None:
        function()

    def _post(self, function: Callable[[], None]) -> None:
        function()


def _close_elsewhere(channel: Channel) -> None:
    """Close a dropped channel on another thread: the collector may run amid anything, locked."""
    channel.retire()
    _thread.start_new_thread(channel.close, ())


class DriverConnection:
    """What ``get_raw_connection()`` hands out of an async engine: the driver, off the loop."""

    def __init__(self, connection: AsyncConnection) -> None:
        """Stand for ``connection``."""
        self._adapter = weakref.ref(connection)

    async def run(
        self,
        function: Callable[[duckdb.DuckDBPyConnection], T],
        *,
        write: bool = False,
        changes_schema: bool = True,
    ) -> T:
        """Return ``function(duckdb connection)``, called on the connection's thread.

        With ``write=True`` it works inside the connection's transaction and
        holds the write gate. Without, it gets a connection of its own, which
        sees what is committed and cannot write. A change of the schema is
        written back into the file at once, and what the function does is not
        seen: with ``changes_schema=False`` you say that it leaves that alone.
        """
        from sqlalchemy.util import greenlet_spawn

        adapter = self._adapter()
        if adapter is None:
            raise ReferenceError("the connection was closed")
        result: T = await greenlet_spawn(
            lambda: adapter.hand_out(function, write=write, changes_schema=changes_schema)
        )
        return result

    def interrupt(self) -> None:
        """Interrupt the statement that runs now, if one does."""
        adapter = self._adapter()
        if adapter is not None:
            adapter._channel.interrupt()  # noqa: SLF001 - the two are one
