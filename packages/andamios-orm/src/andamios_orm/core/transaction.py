"""Units of work: commit on success, roll back on any error, run again on a conflict."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from andamios_orm.exceptions import ConfigurationError, StaleVersion, WriteConflict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

    from andamios_orm.core.session import Session

__all__ = ["Attempt", "Transaction"]

DEFAULT_ATTEMPTS = 5
_FIRST_PAUSE = 0.01
_LONGEST_PAUSE = 1.0


class Attempt:
    """One run of a unit of work: ``async with attempt as session``."""

    def __init__(self, open_session: Callable[[], Session], *, write: bool, last: bool) -> None:
        """Prepare to open a session; on the last attempt a conflict is the caller's."""
        self._open_session = open_session
        self._write = write
        self.last = last
        self._session: Session | None = None
        self.conflict: Exception | None = None

    async def __aenter__(self) -> Session:
        """Return a session in a transaction."""
        session = self._session = self._open_session()
        try:
            if self._write:
                await take_gate(session)
        except BaseException:
            await session.close()
            raise
        return session

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Commit, or roll back; keep a conflict that is worth another attempt."""
        session = self._session
        assert session is not None  # noqa: S101 - entered before it is left
        if error is not None:
            await session.__aexit__(kind, error, traceback)
            return self._is_worth_another(error)
        try:
            async with session:
                await session.commit()
        except Exception as refused:
            if not self._is_worth_another(refused):
                raise
        return True

    @property
    def queues_by_itself(self) -> bool:
        """Whether the next attempt waits its turn at the gate, so that no pause is needed."""
        bind = self._session.bind if self._session is not None else None
        return bind is not None and bind.dialect.name == "duckdb"

    def _is_worth_another(self, error: BaseException) -> bool:
        if self.last or not isinstance(error, (WriteConflict, StaleVersion)):
            return False
        self.conflict = error
        return True


class Transaction:
    """A transaction to enter once, or with ``retry`` a series of attempts to iterate over."""

    def __init__(
        self, open_session: Callable[[], Session], *, retry: bool | int = False, write: bool = False
    ) -> None:
        """Prepare; nothing is opened before it is entered."""
        self._open_session = open_session
        self._attempts = _attempts(retry)
        self._write = write
        self._entered: Attempt | None = None

    async def __aenter__(self) -> Session:
        """Return a session in a transaction that commits at the end of the block."""
        if self._attempts > 1:
            raise ConfigurationError(
                "a block cannot run itself again: write 'async for attempt in "
                "transaction(retry=...):' and inside it 'async with attempt as session:'"
            )
        self._entered = Attempt(self._open_session, write=self._write, last=True)
        return await self._entered.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit, or roll back if there was an error."""
        assert self._entered is not None  # noqa: S101 - entered before it is left
        await self._entered.__aexit__(kind, error, traceback)

    async def __aiter__(self) -> AsyncIterator[Attempt]:
        """Yield attempts until one succeeds; every one after the first takes the gate first."""
        for number in range(self._attempts):  # pragma: no branch - the last attempt has no conflict
            last = number == self._attempts - 1
            attempt = Attempt(self._open_session, write=self._write or number > 0, last=last)
            yield attempt
            if attempt.conflict is None:
                return
            if not attempt.queues_by_itself:
                await asyncio.sleep(_pause(number))


async def take_gate(session: Session) -> None:
    """Let the session's first statement take the write gate, on DuckDB; elsewhere do nothing."""
    connection = await session.connection()
    if connection.dialect.name == "duckdb":
        raw: Any = await connection.get_raw_connection()
        raw.dbapi_connection.write_intent = True


def _attempts(retry: int) -> int:
    if retry is True:
        return DEFAULT_ATTEMPTS
    if retry < 0:
        raise ConfigurationError(f"retry={retry} is below 0")
    return int(retry) + 1 if retry else 1


def _pause(number: int) -> float:
    """Return seconds to wait: doubling, with full jitter, so that losers spread out."""
    return random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**number))  # noqa: S311 # nosec B311 - no secret
