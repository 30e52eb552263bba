"""What happens around a repository: hooks for each row, middleware for each operation."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

from andamios_orm.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.ext.asyncio import AsyncSession

    from andamios_orm.repositories.binding import Bound

__all__ = ["CallNext", "Event", "EventName", "Hook", "Middleware", "Operation", "operation"]

ModelT = TypeVar("ModelT")
MethodT = TypeVar("MethodT", bound="Callable[..., Awaitable[Any]]")

MARK = "__andamios_writes__"
"""The attribute by which the operations of a repository are told from its other methods."""

EventName = Literal[
    "before_create",
    "after_create",
    "before_update",
    "after_update",
    "before_delete",
    "after_delete",
]
"""The moments of a row: after a ``before`` and its flush comes the ``after``."""

EVENT_NAMES: frozenset[str] = frozenset(get_args(EventName))


@dataclass(slots=True)
class Event(Generic[ModelT]):
    """One row at one moment.

    ``values`` are what an update is about to write, by attribute; a hook of
    ``before_update`` may change them. A hook of ``before_create`` changes the
    ``instance``. A hook that raises stops the operation.
    """

    name: EventName
    instance: ModelT
    values: dict[str, Any]
    session: AsyncSession


Hook = Callable[[Event[Any]], Awaitable[None] | None]
"""What ``repository.on(name, hook)`` calls, async or not."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of a repository's method, as middleware sees it.

    ``arguments`` are by the names of the method's parameters, without those left out.
    """

    name: str
    repository: Bound[Any]
    arguments: Mapping[str, Any]
    writes: bool

    @property
    def model(self) -> type[Any]:
        """The model of the repository."""
        model: type[Any] = self.repository.model
        return model

    def with_arguments(self, **changes: object) -> Operation:
        """Return the operation with other arguments, to hand to ``call_next``."""
        return replace(self, arguments={**self.arguments, **changes})


CallNext = Callable[[Operation], Awaitable[Any]]
"""``await call_next(operation)`` goes on: to the next middleware, at last to the operation."""

Middleware = Callable[[Operation, CallNext], Awaitable[Any]]
"""``async def middleware(operation, call_next)``: returns what the operation returns."""


def operation(
    *, writes: bool = False, commits_itself: bool = False, name: str | None = None
) -> Callable[[MethodT], MethodT]:
    """Return the decorator that makes a method of a repository one of its operations.

    Middleware goes around it, and on a repository that is bound to a database it
    runs in a transaction of its own (a session that only reads, unless it
    ``writes``). Operations that it calls on ``self`` are part of it. ``name`` is what
    middleware sees, if not the name of the method.
    """

    def decorate(method: MethodT) -> MethodT:
        signature = inspect.signature(method)

        async def run(repository: Bound[Any], *arguments: Any, **options: Any) -> Any:
            if writes:
                repository = repository.uncached()
            if commits_itself or not repository.is_detached:
                return await method(repository, *arguments, **options)
            return await repository.run_alone(
                lambda inner: method(inner, *arguments, **options), writes=writes
            )

        @functools.wraps(method)
        async def perform(repository: Bound[Any], *arguments: Any, **options: Any) -> Any:
            if not repository.active_middleware:
                return await run(repository, *arguments, **options)
            bound = signature.bind(repository, *arguments, **options)
            given = dict(list(bound.arguments.items())[1:])
            first = Operation(name or method.__name__, repository, given, writes)
            inner = repository.without_middleware()

            async def finish(last: Operation) -> Any:
                named = inspect.BoundArguments(signature, {"self": inner, **last.arguments})
                return await run(*named.args, **named.kwargs)

            return await _through(repository.active_middleware, finish)(first)

        setattr(perform, MARK, writes)
        return perform  # type: ignore[return-value]  # it takes and gives what the method does

    return decorate


def _through(middleware: tuple[Middleware, ...], finish: CallNext) -> CallNext:
    """Return the call that passes all ``middleware`` in order and then ``finish``."""
    call = finish
    for step in reversed(middleware):
        call = functools.partial(_step, step, call)
    return call


async def _step(step: Middleware, call_next: CallNext, current: Operation) -> Any:
    return await step(current, call_next)


def checked_name(name: str) -> EventName:
    """Return ``name`` if it is an event.

    Raises:
        ConfigurationError: it is none.
    """
    if name not in EVENT_NAMES:
        known = ", ".join(sorted(EVENT_NAMES))
        raise ConfigurationError(f"{name!r} is no event of a repository: there are {known}")
    return name  # type: ignore[return-value]  # it was just looked up among them
