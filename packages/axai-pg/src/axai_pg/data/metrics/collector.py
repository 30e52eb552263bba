"""Measures of all that a ``DatabaseManager`` does, and of functions that ask for it."""

from __future__ import annotations

import functools
import inspect
import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import event

from andamios_orm.core.observe import observe
from andamios_orm.exceptions import ConfigurationError
from axai_pg.data.metrics.recorder import (
    Measure,
    Recorder,
    checked_name,
    error_name,
    statement_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.pool import ConnectionPoolEntry

    from andamios_orm.core.entries import CacheStatistics
    from andamios_orm.core.observe import Observer, StatementRecord
    from andamios_orm.repositories.events import CallNext, Operation
    from axai_pg.data.caching import CacheManager
    from axai_pg.data.config.database import DatabaseManager

__all__ = ["Metrics", "MetricsSnapshot", "track_metrics"]

logger = logging.getLogger("axai_pg.metrics")

FunctionT = TypeVar("FunctionT", bound="Callable[..., Any]")
_SLOW: Final = 1.0


@dataclass(frozen=True, slots=True)
class MetricsSnapshot:
    """What was measured until a moment.

    ``operations`` are by name, ``statements`` by their first word, ``transactions`` by how they
    ended: commit or rollback. ``cache`` is None if there is none.
    """

    operations: Mapping[str, Measure]
    statements: Mapping[str, Measure]
    transactions: Mapping[str, Measure]
    cache: CacheStatistics | None = None

    @property
    def slow_statements(self) -> int:
        """How many statements took as long as the limit, or longer."""
        return sum(each.slow for each in self.statements.values())

    @property
    def slow_transactions(self) -> int:
        """How many transactions took as long as the limit, or longer."""
        return sum(each.slow for each in self.transactions.values())


@dataclass(eq=False, slots=True)
class _Transaction:
    """When a transaction began, and when its COMMIT was sent."""

    started: float
    committing: float | None = None


class Metrics:
    """The measures of one manager: ``with Metrics(manager, cache=cache) as metrics``.

    One listener sees every statement, another one every transaction. Operations of
    repositories come through ``repository.use(metrics.middleware)``, functions through
    ``track_metrics``.
    """

    def __init__(
        self,
        manager: DatabaseManager,
        *,
        cache: CacheManager | None = None,
        slow_statement: float = _SLOW,
        slow_transaction: float = _SLOW,
    ) -> None:
        """Listen to ``manager``; what takes so many seconds or longer is slow, and logged.

        Raises:
            ConfigurationError: a limit is no number of seconds above 0.
        """
        for name, limit in (
            ("slow_statement", slow_statement),
            ("slow_transaction", slow_transaction),
        ):
            if not limit > 0:
                raise ConfigurationError(f"{name}={limit!r:.40} is no number of seconds above 0")
        self._cache = cache
        self._operations = Recorder()
        self._statements = Recorder(slow_statement)
        self._transactions = Recorder(slow_transaction)
        engines = manager._engine, manager._async_engine.sync_engine  # noqa: SLF001 - no user needs them
        self.observers: tuple[Observer, ...] = tuple(
            observe(engine, slow=slow_statement) for engine in engines
        )
        self._engines: tuple[Engine, ...] = engines
        for observer in self.observers:
            observer.subscribe(self._statement)
        for engine in engines:
            for name, listener in self._listeners.items():
                event.listen(engine, name, listener)

    def __enter__(self) -> Self:
        """Return the metrics."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close them."""
        self.close()

    def close(self) -> None:
        """Stop listening; what was measured can still be read."""
        engines, self._engines = self._engines, ()
        for engine, observer in zip(engines, self.observers, strict=False):
            observer.close()
            for name, listener in self._listeners.items():
                event.remove(engine, name, listener)

    # ---- reading -----------------------------------------------------------------

    def snapshot(self) -> MetricsSnapshot:
        """Return what was measured so far."""
        return MetricsSnapshot(
            self._operations.snapshot(),
            self._statements.snapshot(),
            self._transactions.snapshot(),
            None if self._cache is None else self._cache.statistics(),
        )

    def reset(self) -> None:
        """Begin anew; a cache goes on counting."""
        for recorder in (self._operations, self._statements, self._transactions):
            recorder.reset()

    # ---- measuring ---------------------------------------------------------------

    async def middleware(self, operation: Operation, call_next: CallNext) -> Any:
        """Measure an operation of a repository, by its model and its name."""
        with self.measured(f"{operation.model.__name__}.{operation.name}"):
            return await call_next(operation)

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Measure what is done in the block, under the name of an operation.

        Raises:
            ConfigurationError: ``name`` is none that code has.
        """
        checked_name(name)
        started = time.perf_counter()
        failure: str | None = None
        try:
            yield
        except BaseException as error:
            failure = error_name(error)
            raise
        finally:
            self._operations.record(name, time.perf_counter() - started, failure)

    def _statement(self, record: StatementRecord) -> None:
        failure = None if record.error is None else error_name(record.error)
        self._statements.record(statement_name(record.operation), record.seconds, failure)

    @property
    def _listeners(self) -> dict[str, Callable[..., None]]:
        return {
            "begin": self._begin,
            "commit": self._commit,
            "rollback": self._rollback,
            "handle_error": self._fail,
            "checkin": self._return,
        }

    def _begin(self, connection: Connection) -> None:
        self._end(connection.info)
        connection.info[self] = _Transaction(time.perf_counter())

    def _commit(self, connection: Connection) -> None:
        """Note that COMMIT is sent; whether it does is known when no error has come of it."""
        found: _Transaction | None = connection.info.get(self)
        if found is not None:  # else it began before anybody listened
            found.committing = time.perf_counter()

    def _rollback(self, connection: Connection) -> None:
        self._end(connection.info, failed=True)

    def _fail(self, context: ExceptionContext) -> None:
        connection = context.connection
        if connection is not None and not connection.invalidated:
            found: _Transaction | None = connection.info.get(self)
            if found is not None and found.committing is not None:
                self._end(connection.info, failed=True)

    def _return(self, _connection: object, record: ConnectionPoolEntry) -> None:
        self._end(record.info)

    def _end(self, info: dict[Any, Any], *, failed: bool = False) -> None:
        """Measure a transaction up to where COMMIT or ROLLBACK was sent, if there was one."""
        found: _Transaction | None = info.pop(self, None)
        if found is None:
            return
        outcome = "rollback" if failed or found.committing is None else "commit"
        seconds = (found.committing or time.perf_counter()) - found.started
        if self._transactions.record(outcome, seconds):
            logger.warning("slow transaction, %.3f s until its %s", seconds, outcome)


def track_metrics(metrics: Metrics, name: str | None = None) -> Callable[[FunctionT], FunctionT]:
    """Return the decorator that measures calls of a function, async or not.

    They are counted under ``name``, or else under that of the function and what it is in.

    Raises:
        ConfigurationError: ``name`` is none that code has; the function is a generator.
    """

    def decorate(function: FunctionT) -> FunctionT:
        known = checked_name(name or _name(function))
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(
                f"{known} is a generator, which has done nothing when its call returns: measure "
                f"what goes through it, in a block of metrics.measured({known!r})"
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*arguments: Any, **named: Any) -> Any:
                with metrics.measured(known):
                    return await function(*arguments, **named)

            return awaited  # type: ignore[return-value]  # it takes and gives what the function does

        @functools.wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            with metrics.measured(known):
                return function(*arguments, **named)

        return called  # type: ignore[return-value]  # likewise

    return decorate


def _name(function: Callable[..., Any]) -> str:
    return function.__qualname__.replace("<locals>.", "")
