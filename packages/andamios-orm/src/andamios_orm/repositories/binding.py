"""What a repository works on: the session it was given, or a database, call by call."""

from __future__ import annotations

import copy
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from sqlalchemy import inspect
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper

from andamios_orm.core import SessionManager
from andamios_orm.exceptions import ConfigurationError, StaleVersion

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from types import TracebackType

    from andamios_orm.core.cache import Caching
    from andamios_orm.repositories.events import Middleware

__all__ = ["Bound"]

_RETRIES = 20  # many tasks that want one row are ordinary, and each attempt is short
ModelT = TypeVar("ModelT")
ResultT = TypeVar("ResultT")


class Bound(Generic[ModelT]):
    """A model, and the session or the database that its rows are in."""

    model: type[ModelT]
    middleware: ClassVar[Sequence[Middleware]] = ()

    def __init__(
        self, source: AsyncSession | SessionManager, model: type[ModelT] | None = None
    ) -> None:
        """Work on a session, or on a database where each call has its own transaction.

        Raises:
            ConfigurationError: there is no model, or ``source`` is neither of the two.
        """
        if model is not None:
            self.model = model
        found = getattr(self, "model", None)
        if found is None:
            raise ConfigurationError(
                f"{type(self).__name__} has no model: set 'model = ...' in the class, or pass it "
                f"as the second argument"
            )
        self.mapper: Mapper[ModelT] = _mapper(found)
        self._session, self._database = _source(source)
        self._caching: Caching | None = None
        self.active_middleware: tuple[Middleware, ...] = tuple(self.middleware)

    def __repr__(self) -> str:
        """Return the class and the model."""
        return f"{type(self).__name__}({self.model.__name__})"

    async def __aenter__(self) -> Self:
        """Return the repository; the end of the block commits nothing and closes nothing."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the session as it is: whoever opened it commits it."""

    @property
    def session(self) -> AsyncSession:
        """The session to run statements in.

        Raises:
            ConfigurationError: the repository is bound to a database.
        """
        if self._session is None:
            raise ConfigurationError(
                f"{self!r} is bound to a database and has no session of its own: decorate the "
                f"method with @operation(), or use 'async with repository.transaction() as inner'"
            )
        return self._session

    @property
    def is_detached(self) -> bool:
        """Whether it is bound to a database rather than to a session."""
        return self._session is None

    def use(self, *middleware: Middleware) -> Self:
        """Add ``middleware`` to this repository, inside of what is there, and return it."""
        self.active_middleware = (*self.active_middleware, *middleware)
        return self

    @asynccontextmanager
    async def transaction(self, *, write: bool = False) -> AsyncIterator[Self]:
        """Yield this repository in one transaction of its database, committed at the end.

        Raises:
            ConfigurationError: it works on a session already, which has its transaction.
        """
        if self._database is None:
            raise ConfigurationError(f"{self!r} works on a session: whoever opened that commits it")
        async with self._database.transaction(write=write) as session:
            yield self.on_session(session)

    def on_session(self, session: AsyncSession) -> Self:
        """Return this repository, hooks and middleware included, on another session."""
        twin = copy.copy(self)
        twin._session, twin._database = session, None  # noqa: SLF001 - its own class
        return twin

    def uncached(self) -> Self:
        """Return this repository with results from the database alone."""
        if self._caching is None:
            return self
        twin = copy.copy(self)
        twin._caching = None  # noqa: SLF001 - its own class
        return twin

    def without_middleware(self) -> Self:
        """Return this repository without its middleware, which has been passed."""
        twin = copy.copy(self)
        twin.active_middleware = ()
        return twin

    async def run_alone(
        self, work: Callable[[Self], Awaitable[ResultT]], *, writes: bool
    ) -> ResultT:
        """Return what ``work`` returns in a transaction, or session, of its own.

        A write that lost against another writer is run again.
        """
        database = self._database
        assert database is not None  # noqa: S101 - asked before
        inner = self.without_middleware()
        if not writes:
            async with database.session() as session:
                return await work(inner.on_session(session))
        results: list[ResultT] = []
        async for attempt in database.transaction(retry=_RETRIES):
            async with attempt as session:
                try:
                    results.append(await work(inner.on_session(session)))
                except StaleVersion as stale:
                    # A version that the caller has named stays stale, however often this runs.
                    attempt.last = attempt.last or stale.expected is not None
                    raise
        return results[-1]

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Self]:
        """Yield this repository on a session to read from for longer than one call."""
        if self._database is None:
            yield self
            return
        async with self._database.session() as session:
            yield self.on_session(session)


def _mapper(model: Any) -> Mapper[Any]:
    try:
        mapper = inspect(model)
    except NoInspectionAvailable:
        mapper = None
    if not isinstance(mapper, Mapper):
        raise ConfigurationError(f"{model!r} is not a mapped class")
    return mapper


def _source(
    source: AsyncSession | SessionManager,
) -> tuple[AsyncSession | None, SessionManager | None]:
    if isinstance(source, AsyncSession):
        return source, None
    if isinstance(source, SessionManager):
        return None, source
    raise ConfigurationError(
        f"a repository works on an AsyncSession or a Database, not on {type(source).__name__}"
    )
