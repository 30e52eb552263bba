"""One DuckDB connection and its transaction, used by one thread at a time.

Everything here blocks. An async connection calls it from its worker's thread, a
sync connection from the caller's. This is where the promises are kept: the gate
before the first write, reads that are checked again, errors that poison their
transaction, commits that are never interrupted.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from andamios_orm.dialect import driver
from andamios_orm.dialect.calls import Call, Reply, Row, Rows
from andamios_orm.dialect.database import close_quietly, never_close
from andamios_orm.dialect.execution import Execution
from andamios_orm.dialect.gate import Ticket, Withdrawn
from andamios_orm.dialect.reads import ReadLog
from andamios_orm.dialect.translation import is_invalidated, statement_error
from andamios_orm.dialect.values import refuse_surrogates
from andamios_orm.exceptions import (
    CommitOutcomeUnknown,
    DatabaseClosed,
    DatabaseFault,
    StatementTimeout,
    TransactionAborted,
    ValueRefused,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from andamios_orm.dialect.database import DuckDBDatabase
    from andamios_orm.dialect.statements import ParsedStatement

__all__ = ["Channel"]

T = TypeVar("T")


class Channel:
    """A connection to the database, with the state of its transaction."""

    def __init__(self, database: DuckDBDatabase) -> None:
        """Belong to ``database``; DuckDB is asked for a connection at the first use."""
        self.database = database
        self.write_timeout = database.options.write_timeout
        self.retiring = False
        self.lingers = False
        self._raw: duckdb.DuckDBPyConnection | None = None
        self._epoch = -1
        self._execution = Execution(database.slots, database.watchdog)
        self._active = False
        self._wrote = False
        self._schema_changed = False
        self._closed = False
        self._failure: BaseException | None = None
        self._ticket: Ticket | None = None
        self._gated = False
        self._snapshot = -1
        self._reads = ReadLog()
        self._open_rows: Rows | None = None
        database.channels.add(self)

    # ---- statements ----------------------------------------------------------

    def execute(self, call: Call) -> Reply:
        """Run one statement, inside the transaction unless ``call.autocommit``.

        Raises:
            TransactionAborted: an earlier statement of this transaction failed.
            WriteConflict: it writes, and what was read before has changed.
        """
        self._check_process()
        if self._failure is not None and not call.autocommit:
            raise _aborted(self._failure, call)
        try:
            return self._execute(call)
        except BaseException as error:
            if not call.autocommit:
                self._failure = error
            elif self._gated:
                self.database.commits += 1  # what DuckDB commits by itself may have happened
            raise
        finally:
            if call.autocommit and not self._active:
                self._leave_gate()

    def _execute(self, call: Call) -> Reply:
        raw = self._connection()
        try:
            parsed = self.database.statements.parse(call.text, raw)
        except duckdb.Error as error:
            raise self._translated(error, call) from error
        if parsed.prepared is None:
            return Reply()
        if parsed.writes or call.write_intent:
            self._enter_gate(call)
            raw = self._connection()
        if not call.autocommit and not self._active:
            self._begin(raw)
        if call.autocommit and parsed.writes:
            self.database.check_in_place()
        self.lingers = self.lingers or parsed.lingers
        if call.autocommit and parsed.needs_transaction and not self._active:
            return self._run_alone(raw, parsed, call)
        reply = self._run(raw, parsed, call)
        if parsed.writes:
            self._note_write(call)
            reply.wrote = True
            reply.changed = parsed.changes_rows
        elif not call.autocommit and not self._gated:
            self._reads.note(parsed, call, reply)
        return reply

    def _run_alone(
        self, raw: duckdb.DuckDBPyConnection, parsed: ParsedStatement, call: Call
    ) -> Reply:
        """Run a write of autocommit in a transaction of its own.

        DuckDB would end its own transaction with a COMMIT that an interrupt can
        reach; the statement would then fail although it is stored.
        """
        if self.streaming:
            self._perform(raw, call, lambda: self._keep_open_rows(raw))
        self._begin(raw)
        try:
            reply = self._run(raw, parsed, call)
        except BaseException:
            self.rollback()
            raise
        self._wrote = reply.wrote = True
        self.commit()
        return reply

    def _run(self, raw: duckdb.DuckDBPyConnection, parsed: ParsedStatement, call: Call) -> Reply:
        return self._perform(raw, call, lambda: self._send(raw, parsed, call))

    def _send(self, raw: duckdb.DuckDBPyConnection, parsed: ParsedStatement, call: Call) -> Reply:
        self._keep_open_rows(raw)
        if call.tables:
            with driver.lent(raw, call.tables):
                return self._ask(raw, parsed, call)
        return self._ask(raw, parsed, call)

    def _ask(self, raw: duckdb.DuckDBPyConnection, parsed: ParsedStatement, call: Call) -> Reply:
        self._schema_changed = self._schema_changed or parsed.changes_schema
        if parsed.checkpoint:
            with self.database.guarded_checkpoint(raw):
                raw.execute(parsed.prepared)
        elif parsed.parts:
            for part in parsed.parts:
                raw.execute(part)
        elif call.many:
            driver.executemany(raw, parsed.prepared, call.params)
        elif call.params is None:
            raw.execute(parsed.prepared)
        else:
            driver.execute(raw, parsed.prepared, call.params)
        return self._collect(raw, parsed, call)

    def _collect(
        self, raw: duckdb.DuckDBPyConnection, parsed: ParsedStatement, call: Call
    ) -> Reply:
        if not parsed.has_rows:
            rows = raw.fetchall()
            counted = parsed.counts_rows and rows and not call.many
            return Reply(rowcount=rows[0][0] if counted else -1)
        description = _description(raw)
        if call.arrow:
            return Reply(description=description, arrow=raw.to_arrow_table())
        if call.batch is None or parsed.writes:
            rows = raw.fetchall()
            return Reply(description, rows, len(rows) if parsed.returning else -1)
        rows = raw.fetchmany(call.batch)
        if len(rows) < call.batch:
            return Reply(description, rows)
        self._open_rows = Rows()
        return Reply(description, rows, rest=self._open_rows)

    def fetch(self, rows: Rows, count: int, call: Call) -> list[Row]:
        """Return up to ``count`` more rows of a result that is being streamed."""
        raw = self._raw
        try:
            if raw is None:
                return rows.take(None, count)
            return self._perform(raw, call, lambda: rows.take(raw, count))
        except BaseException as error:
            if self._active and rows is self._open_rows:
                self._failure = error
            raise

    def run(self, function: Callable[[duckdb.DuckDBPyConnection], T], call: Call) -> T:
        """Return ``function(connection)`` inside the transaction, which takes the gate first."""
        self._check_process()
        self._enter_gate(call)
        raw = self._connection()
        if not call.autocommit and not self._active:
            self._begin(raw)
        self.lingers = True
        if call.changes_schema:
            self.database.owe_checkpoint()

        def work() -> T:
            self._keep_open_rows(raw)
            return function(raw)

        try:
            return self._perform(raw, call, work)
        except BaseException as error:
            if not call.autocommit:
                self._failure = error
            raise
        finally:
            self._note_write(call)
            if call.autocommit:
                self._leave_gate()

    def run_beside(self, function: Callable[[duckdb.DuckDBPyConnection], T], call: Call) -> T:
        """Return ``function(connection)``, with a connection of its own that can only read."""
        self._check_process()
        with self.database.reader() as raw:
            return self._perform(raw, call, lambda: function(raw))

    @property
    def streaming(self) -> bool:
        """Whether a result is open that was not read to its end."""
        return self._open_rows is not None

    # ---- transactions --------------------------------------------------------

    def commit(self, last: Sequence[Call] = ()) -> None:
        """Make the transaction durable; it is never interrupted.

        It runs ``last`` before that, without a time limit: what one of them
        raises undoes everything.

        Raises:
            TransactionAborted: a statement failed; everything was rolled back.
            CommitOutcomeUnknown: the instance broke while it committed.
        """
        self._check_process()
        failure = self._failure
        if failure is not None:
            self.rollback()
            raise TransactionAborted(
                f"nothing was committed: an earlier statement of this transaction failed "
                f"({_brief(failure)}) and all of it was rolled back",
                cause_message=_brief(failure),
            ) from failure
        if not self._active:
            self._end()
            return
        raw = self._raw
        if raw is None:
            self._end()
            raise self._lost()
        if last:
            self._run_last(raw, last)
        try:
            if self._wrote:
                self.database.check_in_place()
            with self._execution.lock:
                self._keep_open_rows(raw)
                raw.execute(self.database.statements.own("COMMIT", raw))
        except Exception as error:
            raise self._failed_commit(raw, error) from error
        finally:
            self._end()

    def _run_last(self, raw: duckdb.DuckDBPyConnection, calls: Sequence[Call]) -> None:
        """Run what the commit depends on, locked like COMMIT itself so that nothing interrupts."""
        waiting = deque(calls)
        try:
            with self._execution.lock:
                while waiting:
                    call = waiting.popleft()
                    rows = self._answer(raw, call)
                    further = call.at_commit(rows) if call.at_commit is not None else None
                    if further is not None:
                        waiting.appendleft(replace(call, **further._asdict()))
        except BaseException:
            self.rollback()
            raise

    def _answer(self, raw: duckdb.DuckDBPyConnection, call: Call) -> list[Row]:
        try:
            parsed = self.database.statements.parse(call.text, raw)
            return self._send(raw, parsed, call).rows if parsed.prepared is not None else []
        except Exception as error:
            self._notice(error)
            named = self._translated(error, call)
            if named is error:
                raise
            raise named from error

    def rollback(self) -> None:
        """Undo the transaction; without one, nothing happens."""
        raw, active = self._raw, self._active
        self._drop_open_rows()
        try:
            if active and raw is not None and not self._closed and not self.database.inherited:
                with self._execution.lock, contextlib.suppress(duckdb.TransactionException):
                    raw.execute(self.database.statements.own("ROLLBACK", raw))
        except duckdb.Error as error:
            self._notice(error)
            self._discard()
        finally:
            self._wrote = False
            self._end()

    def _begin(self, raw: duckdb.DuckDBPyConnection) -> None:
        self._drop_open_rows()
        self._snapshot = self.database.commits
        try:
            with self._execution.lock:
                raw.execute(self.database.statements.own("BEGIN", raw))
        except duckdb.Error as error:
            self._notice(error)
            raise
        self._active = True

    def _end(self) -> None:
        """Forget the transaction, and let the next writer in."""
        if self._wrote:
            self.database.commits += 1
        self._active = self._wrote = False
        self._failure = None
        self._reads = ReadLog()
        self._leave_gate()

    def _failed_commit(self, raw: duckdb.DuckDBPyConnection, error: Exception) -> BaseException:
        """Undo what is left of a failed COMMIT and return the error to raise for it."""
        with contextlib.suppress(duckdb.Error), self._execution.lock:
            raw.execute(self.database.statements.own("ROLLBACK", raw))
        if isinstance(error, DatabaseFault):
            return error
        self._notice(error)
        translated = statement_error(
            error, "COMMIT", None, hide_parameters=True, path=self.database.path
        )
        if translated is not error:
            return translated
        return CommitOutcomeUnknown(
            f"the database broke while it committed, so the transaction may or may not have "
            f"happened ({_brief(error)}); look before you repeat it",
            statement="COMMIT",
            orig=error,
        )

    # ---- the gate ------------------------------------------------------------

    def _enter_gate(self, call: Call) -> None:
        if self._gated and self._ticket is not None:
            self._ticket.last_statement = call.text
            return
        ticket = self._ticket = Ticket(call.owner, call.text)
        if call.cancelled:
            raise Withdrawn
        self.database.gate.acquire(ticket, self.write_timeout)
        self._gated = True
        if self._active and self.database.commits != self._snapshot:
            self._refresh(call)

    def _leave_gate(self) -> None:
        ticket, self._ticket = self._ticket, None
        if self._gated and ticket is not None:
            self._gated = False
            schema_changed, self._schema_changed = self._schema_changed, False
            try:
                self.database.after_write(schema_changed=schema_changed)
            finally:
                self.database.gate.release(ticket)

    def withdraw(self) -> None:
        """Stop waiting for the gate; called from the loop when a task was cancelled."""
        ticket = self._ticket
        if ticket is not None and not self._gated:
            self.database.gate.withdraw(ticket)

    def _refresh(self, call: Call) -> None:
        """Move a transaction that has only read to a new snapshot, if its reads still hold."""
        self._reads.require_complete(call.text)
        raw = self._connection()
        with self._execution.lock:
            raw.execute(self.database.statements.own("ROLLBACK", raw))
        self._active = False
        self._begin(raw)
        self._perform(raw, call, lambda: self._reads.repeat(raw))

    def _note_write(self, call: Call) -> None:
        if call.autocommit:
            self.database.commits += 1
        else:
            self._wrote = True

    # ---- running, cancelling, timing out -------------------------------------

    def _perform(self, raw: duckdb.DuckDBPyConnection, call: Call, work: Callable[[], T]) -> T:
        """Return ``work()``, with its errors in our words."""
        try:
            return self._execution.perform(raw, call, work)
        except Exception as error:
            self._notice(error)
            named = self._translated(error, call)
            if named is error:
                raise
            raise named from error

    def cancel(self, call: Call) -> None:
        """Give ``call`` up: it does not start any more, or is interrupted."""
        call.cancelled = True
        self.withdraw()
        self._execution.interrupt(call)

    def interrupt(self) -> None:
        """Interrupt whatever runs."""
        self._execution.interrupt()

    def _translated(self, error: Exception, call: Call) -> BaseException:
        if call.timed_out and isinstance(error, duckdb.InterruptException):
            return StatementTimeout(
                f"the statement was stopped after {call.timeout:g} s: make it cheaper, or give it "
                f"more time with execution_options(statement_timeout=...)",
                seconds=call.timeout or 0.0,
                statement=call.text,
                params=call.params,
                orig=error,
                hide_parameters=call.hide_parameters,
            )
        if isinstance(error, RuntimeError) and "Unable to cast" in str(error):
            return _unencodable(call.params) or error
        return statement_error(
            error,
            call.text,
            call.params,
            hide_parameters=call.hide_parameters,
            path=self.database.path,
        )

    # ---- the connection ------------------------------------------------------

    def _connection(self) -> duckdb.DuckDBPyConnection:
        raw = self._raw
        if raw is not None and self._epoch == self.database.epoch and self.database.state == "open":
            return raw
        if self._closed:
            raise DatabaseClosed("the connection was closed", path=self.database.path)
        if self._active:
            raise self._lost()
        self._discard()
        self._raw, self._epoch = self.database.cursor()
        return self._raw

    def _lost(self) -> DatabaseFault:
        return TransactionAborted(
            "the database was closed or opened anew during this transaction, which was lost whole: "
            "run it again"
        )

    def _notice(self, error: BaseException) -> None:
        if is_invalidated(error):
            self.database.invalidate(self._epoch)

    def _check_process(self) -> None:
        self.database.check_process()

    def _keep_open_rows(self, raw: duckdb.DuckDBPyConnection) -> None:
        rows, self._open_rows = self._open_rows, None
        if rows is not None:
            rows.keep(raw)

    def _drop_open_rows(self) -> None:
        rows, self._open_rows = self._open_rows, None
        if rows is not None:
            rows.end()

    def _discard(self) -> None:
        self._drop_open_rows()
        raw, self._raw = self._raw, None
        if raw is None:
            return
        if self.database.inherited:
            never_close(raw)
        else:
            close_quietly(raw)

    def settle(self, patience: float) -> None:
        """Wait until nothing runs; for a statement, which can be endless, only so many seconds."""
        self._execution.settle(patience)

    def detach(self, patience: float = 2.0) -> bool:
        """Close DuckDB's connection from outside, because its instance is closing; say if it is."""
        self.interrupt()
        if not self._execution.lock.acquire(timeout=patience):
            return False
        try:
            self._discard()
        finally:
            self._execution.lock.release()
        return True

    def retire(self) -> None:
        """Note, on the loop's side, that ``close`` is on its way: nobody waits in vain."""
        self.retiring = True
        ticket = self._ticket
        if ticket is not None:
            ticket.leaving = True

    def renew(self) -> None:
        """Drop DuckDB's connection and with it what it remembers; the next use gets a new one."""
        self.lingers = False
        self._discard()

    def close(self) -> None:
        """Roll back, close, and tell the database."""
        if self._closed:
            return
        self.rollback()
        self._closed = True
        with self._execution.lock:
            self._discard()
        self.database.forget(self)


def _description(raw: duckdb.DuckDBPyConnection) -> list[Any]:
    """Return the description with types that can be hashed, as SQLAlchemy needs them."""
    return [(column[0], str(column[1]), *column[2:]) for column in raw.description]


def _unencodable(values: Any) -> ValueRefused | None:
    """Return the error for the value that the driver could not encode, if one is to blame."""
    try:
        refuse_surrogates(values or ())
    except ValueRefused as refused:
        return refused
    return None


def _aborted(failure: BaseException, call: Call) -> TransactionAborted:
    return TransactionAborted(
        f"this transaction is already aborted by an earlier error ({_brief(failure)}); "
        f"roll it back",
        cause_message=_brief(failure),
        statement=call.text,
        params=call.params,
        hide_parameters=call.hide_parameters,
    )


def _brief(error: BaseException) -> str:
    origin = error if isinstance(error, TimeoutError) else getattr(error, "orig", None) or error
    return f"{type(origin).__name__}: {str(origin).splitlines()[0] if str(origin) else ''}"
