"""What happens in an engine: one listener times every statement, everything else reads it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from andamios_orm.core.drivers import drivers_own

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection, Engine, ExceptionContext

__all__ = ["Observer", "SlowStatement", "StatementRecord", "observe"]

logger = logging.getLogger("andamios_orm.statements")

_SHOWN = 500
_KEPT = 100
"""Slow statements that are remembered: beyond that, the one that took least is forgotten."""


@dataclass(frozen=True, slots=True)
class StatementRecord:
    """One statement that ran: its text without values, its time in seconds, how it ended."""

    statement: str
    operation: str
    started: float
    seconds: float
    rowcount: int
    many: bool
    error: str | None = None
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class SlowStatement:
    """A statement that was slow ``count`` times: seconds in all of them, and in the longest.

    ``statement`` is its text without values, on one line and no longer than the log has it.
    """

    statement: str
    count: int
    seconds: float
    longest: float


@dataclass(slots=True)
class Counters:
    """Totals since the engine was observed; ``seconds`` is time spent waiting for statements."""

    statements: int = 0
    errors: int = 0
    slow: int = 0
    seconds: float = 0.0
    by_operation: Counter[str] = field(default_factory=Counter)
    by_error: Counter[str] = field(default_factory=Counter)


class Observer:
    """Times the statements of one engine, counts them, and tells whoever subscribed.

    Values of parameters are never kept or logged. A subscriber that raises is
    logged and does not disturb the statement.
    """

    def __init__(self, engine: Engine, *, slow: float | None = None, explain: bool = False) -> None:
        """Listen to ``engine``; statements of ``slow`` seconds or more are logged."""
        self.slow = slow
        self.explain = explain
        self.counters = Counters()
        self._slowest: dict[str, SlowStatement] = {}
        self._subscribers: list[Callable[[StatementRecord], None]] = []
        self._lock = threading.Lock()
        self._system = engine.dialect.name
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)
        event.listen(engine, "handle_error", self._failed)
        self._engine = engine

    @property
    def system(self) -> str:
        """The name of the database system: ``duckdb`` or ``postgresql``."""
        return self._system

    @property
    def slowest(self) -> tuple[SlowStatement, ...]:
        """The statements of ``slow`` seconds or more so far, first what took most in all."""
        with self._lock:
            return tuple(sorted(self._slowest.values(), key=attrgetter("seconds"), reverse=True))

    def subscribe(self, listener: Callable[[StatementRecord], None]) -> Callable[[], None]:
        """Call ``listener`` with every record; return the function that ends it."""
        self._subscribers.append(listener)
        return lambda: self._subscribers.remove(listener)

    def close(self) -> None:
        """Stop listening."""
        event.remove(self._engine, "before_cursor_execute", self._before)
        event.remove(self._engine, "after_cursor_execute", self._after)
        event.remove(self._engine, "handle_error", self._failed)

    def _before(self, connection: Connection, *_: Any) -> None:
        connection.info[self] = time.perf_counter()

    def _after(
        self,
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        many: bool,  # noqa: FBT001 - SQLAlchemy's signature
    ) -> None:
        seconds = self._since(connection)
        slow = self.slow is not None and seconds >= self.slow
        # One more statement would make an open stream read all its rows into memory.
        explained = slow and self.explain and not many and not context._is_server_side  # noqa: SLF001 - it has no public name
        plan = _plan(connection, statement, parameters) if explained else None
        self._record(
            StatementRecord(
                statement,
                _operation(statement),
                time.time() - seconds,
                seconds,
                cursor.rowcount,
                many,
                plan=plan,
            ),
            slow=slow,
        )

    def _failed(self, context: ExceptionContext) -> None:
        if context.connection is None or context.statement is None:
            return
        seconds = self._since(context.connection)
        error = type(drivers_own(context.original_exception)).__name__
        record = StatementRecord(
            context.statement,
            _operation(context.statement),
            time.time() - seconds,
            seconds,
            -1,
            many=False,
            error=error,
        )
        self._record(record, slow=False)

    def _since(self, connection: Connection) -> float:
        started = connection.info.pop(self, None)
        return time.perf_counter() - started if started is not None else 0.0

    def _record(self, record: StatementRecord, *, slow: bool) -> None:
        with self._lock:
            counters = self.counters
            counters.statements += 1
            counters.seconds += record.seconds
            counters.by_operation[record.operation] += 1
            counters.slow += slow
            if slow:
                self._remember(_short(record.statement), record.seconds)
            if record.error is not None:
                counters.errors += 1
                counters.by_error[record.error] += 1
        if slow:
            plan = f"\n{record.plan}" if record.plan else ""
            logger.warning(
                "slow statement, %.3f s: %s%s", record.seconds, _short(record.statement), plan
            )
        for subscriber in list(self._subscribers):
            try:
                subscriber(record)
            except Exception:
                logger.exception("a subscriber of the observer failed")

    def _remember(self, statement: str, seconds: float) -> None:
        before = self._slowest.pop(statement, SlowStatement(statement, 0, 0.0, 0.0))
        if len(self._slowest) >= _KEPT:
            least = min(self._slowest.values(), key=attrgetter("seconds"))
            del self._slowest[least.statement]
        self._slowest[statement] = SlowStatement(
            statement, before.count + 1, before.seconds + seconds, max(before.longest, seconds)
        )


def observe(
    engine: Engine | AsyncEngine, *, slow: float | None = None, explain: bool = False
) -> Observer:
    """Return an observer of ``engine``.

    ``slow`` (seconds) logs every statement that took as long or longer, with
    its plan if ``explain`` is set.
    """
    sync = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    return Observer(sync, slow=slow, explain=explain)


def _operation(statement: str) -> str:
    """Return the first word of a statement, such as ``SELECT``."""
    words = statement.split(None, 1)
    return words[0].upper() if words else ""


def _short(statement: str) -> str:
    flat = " ".join(statement.split())
    return flat if len(flat) <= _SHOWN else f"{flat[:_SHOWN]}…"


def _plan(connection: Connection, statement: str, parameters: Any) -> str | None:
    """Return the plan of a statement that has just succeeded, from its own transaction."""
    if _operation(statement) not in {"SELECT", "WITH", "INSERT", "UPDATE", "DELETE"}:
        return None
    cursor = connection.connection.cursor()
    try:
        cursor.execute(f"EXPLAIN {statement}", parameters)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())
    finally:
        cursor.close()
