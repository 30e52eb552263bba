"""How statements on DuckDB are made to fail: where the driver is called, and as it fails.

DuckDB is provoked where it can be: a conflict of two connections to a database beside this
one, an interrupt of the statement itself, a write gate that another holds. A full disk and an
instance that broke are the driver's errors, in its words, in the place of the statement.
Translation, rollback and recovery are those of production.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import duckdb
from sqlalchemy import event

from andamios_orm.dialect.channel import Channel
from andamios_orm.dialect.gate import Owner, Ticket
from andamios_orm.testing.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from andamios_orm.dialect.calls import Call, Reply
    from andamios_orm.testing.kinds import Countdown

__all__ = ["break_commit", "break_lock", "break_statement"]

_SOON: Final = 0.005
_SHORT: Final = 0.02
_ENDLESS: Final = "SELECT count(*) FROM range(1000000000000) AS a(i) WHERE hash(i) = 1"
_NO_SPACE: Final = 'IO Error: Could not write file "database": No space left on device'
_BROKEN: Final = (
    "FATAL Error: Failed: database has been invalidated because of a previous fatal error. The "
    "database must be restarted prior to being used again."
)


def _conflict(_raw: duckdb.DuckDBPyConnection) -> None:
    """Update a row that another connection has updated and not committed."""
    with duckdb.connect() as first, first.cursor() as second:
        first.execute("CREATE TABLE conflict AS SELECT 1 AS n")
        first.execute("BEGIN")
        first.execute("UPDATE conflict SET n = 2")
        second.execute("UPDATE conflict SET n = 3")


def _interrupt(raw: duckdb.DuckDBPyConnection) -> None:
    """Interrupt a statement that would take for ever."""
    done = threading.Event()

    def insist() -> None:
        while not done.wait(_SOON):
            raw.interrupt()

    thread = threading.Thread(target=insist)
    thread.start()
    try:
        raw.execute(_ENDLESS)
    finally:
        done.set()
        thread.join()


def _disk_full(_raw: duckdb.DuckDBPyConnection) -> None:
    raise duckdb.IOException(_NO_SPACE)


def _lost(_raw: duckdb.DuckDBPyConnection) -> None:
    raise duckdb.FatalException(_BROKEN)


_PROVOKE: Final[dict[Kind, Callable[[duckdb.DuckDBPyConnection], None]]] = {
    Kind.CONFLICT: _conflict,
    Kind.INTERRUPT: _interrupt,
    Kind.DISK_FULL: _disk_full,
    Kind.LOST_CONNECTION: _lost,
}


@contextmanager
def _replaced(
    name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Let what ``make`` returns stand for a method of every channel in the block."""
    before = getattr(Channel, name)
    setattr(Channel, name, make(before))
    try:
        yield
    finally:
        setattr(Channel, name, before)


@contextmanager
def break_statement(kind: Kind, countdown: Countdown) -> Iterator[None]:
    """Let a statement fail when ``countdown`` comes to it."""
    due = threading.Event()

    def count(*_: object) -> None:
        if countdown.is_due():
            due.set()

    def make(send: Callable[..., Reply]) -> Callable[..., Reply]:
        def sending(
            channel: Channel, raw: duckdb.DuckDBPyConnection, parsed: Any, call: Call
        ) -> Reply:
            if due.is_set() and countdown.concerns(channel.database):
                due.clear()
                _PROVOKE[kind](raw)
            return send(channel, raw, parsed, call)

        return sending

    engine = countdown.engine.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    try:
        with _replaced("_send", make):
            yield
    finally:
        event.remove(engine, "before_cursor_execute", count)


@contextmanager
def break_commit(kind: Kind, countdown: Countdown) -> Iterator[None]:
    """Let a COMMIT fail when ``countdown`` comes to it."""

    def make(commit: Callable[..., None]) -> Callable[..., None]:
        def committing(channel: Channel, *arguments: Any) -> None:
            raw = channel._raw  # noqa: SLF001 - it is here that a commit meets the driver
            if raw is None or not _is_due(countdown, channel):
                commit(channel, *arguments)
                return
            last = channel.database.statements.own("COMMIT", raw)
            failing: Any = _Failing(raw, last, kind)
            channel._raw = failing  # noqa: SLF001
            try:
                commit(channel, *arguments)
            finally:
                there: Any = channel._raw  # noqa: SLF001
                channel._raw = raw if there is failing else there  # noqa: SLF001

        return committing

    with _replaced("commit", make):
        yield


def _is_due(countdown: Countdown, channel: Channel) -> bool:
    return countdown.concerns(channel.database) and countdown.is_due()


class _Failing:
    """A connection whose COMMIT fails; what else is executed goes to the real one."""

    def __init__(
        self, raw: duckdb.DuckDBPyConnection, last: duckdb.Statement | str, kind: Kind
    ) -> None:
        self._raw = raw
        self._last = last
        self._kind = kind

    def execute(self, statement: Any, *arguments: Any) -> Any:
        """Fail at COMMIT."""
        if statement is self._last:
            _PROVOKE[self._kind](self._raw)
        return self._raw.execute(statement, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


@contextmanager
def break_lock(countdown: Countdown) -> Iterator[None]:
    """Let the next statement that has to wait for the write gate find it held by another."""

    def make(enter: Callable[..., None]) -> Callable[..., None]:
        def entering(channel: Channel, call: Call) -> None:
            if channel._gated or not _is_due(countdown, channel):  # noqa: SLF001
                enter(channel, call)
                return
            gate, patience = channel.database.gate, channel.write_timeout
            rival = Ticket(Owner(threading.Thread(name="rival"), 0, is_task=False), "a rival")
            with ExitStack() as stack:
                gate.acquire(rival, None)
                stack.callback(gate.release, rival)
                stack.callback(setattr, channel, "write_timeout", patience)
                channel.write_timeout = _SHORT
                enter(channel, call)

        return entering

    with _replaced("_enter_gate", make):
        yield
