"""Functions whose answers are kept."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from sqlalchemy.ext.asyncio import AsyncSession

from andamios_orm.exceptions import ConfigurationError, QueryRefused
from axai_pg.data.caching.keys import cache_key
from axai_pg.data.caching.manager import CacheManager
from axai_pg.data.caching.settings import CacheSettings
from axai_pg.data.isolation import IsolatedSession
from axai_pg.data.models import Document, DocumentPermission, RolePermission, User, UserRole

if TYPE_CHECKING:
    from axai_pg.data.caching.settings import QueryKind

__all__ = ["cache_query"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., Awaitable[Any]])
_DECIDING: Final[tuple[type[Any], ...]] = (
    *(Document, DocumentPermission),
    *(RolePermission, User, UserRole),
)
"""What decides which documents a viewer may see."""


def cache_query(
    ttl: float | QueryKind = "default",
    *,
    reads: Collection[type[Any]],
    tags: Collection[str] = (),
    for_all_users: bool = False,
) -> Callable[[FunctionT], FunctionT]:
    """Return the decorator that keeps what an async function answers, in a ``CacheManager``.

    The function takes an async session first, or is a method of what has one as ``session``;
    its answer follows from its other arguments and from rows of ``reads``. It is kept for the
    organisation, and for the user, unless it is the same ``for_all_users``. What a repository
    with a viewer answers is kept for the viewer and the user, always, and reads permissions as
    well. Its return type is annotated: an answer comes back as that type. ``ttl`` is seconds, or
    a kind of query, for which the settings of the cache have a time. Where the session's manager
    has no cache, the function is called each time.

    Raises:
        ConfigurationError: ``ttl`` is no time or kind; from the function, if its return type is not
            annotated, or is of instances that belong to a session.
        QueryRefused: from the function, if an argument cannot be told from others, or the
            answer does not come back from JSON as it was.
    """
    CacheSettings().ttl(ttl)

    def decorate(function: FunctionT) -> FunctionT:
        signature = inspect.signature(function)

        @functools.cache
        def adapter() -> TypeAdapter[Any]:
            return _adapter(function)

        @functools.wraps(function)
        async def answer(first: Any, *arguments: Any, **named: Any) -> Any:
            session = _session_of(first)
            cache = CacheManager.of(session)
            if cache is None:
                return await function(first, *arguments, **named)
            given = signature.bind(first, *arguments, **named)
            given.apply_defaults()
            viewer = getattr(first, "viewer", None)
            key = cache_key(
                _name(function, first),
                *list(given.arguments.values())[1:],
                user=None if for_all_users and viewer is None else _user_of(session),
                viewer=viewer,
                with_deleted=getattr(first, "_with_deleted", False),
            )
            found = await cache.get_json(session, key)
            if found is not None:
                return adapter().validate_json(found)
            value = await function(first, *arguments, **named)
            encoded = _encoded(adapter(), value, function)
            read = reads if viewer is None else (*reads, *_DECIDING)
            await cache.set_json(session, key, encoded, reads=read, ttl=ttl, tags=tags)
            return value

        return answer  # type: ignore[return-value]  # it takes and gives what the function does

    return decorate


def _session_of(first: Any) -> AsyncSession:
    session = getattr(first, "session", first)
    if not isinstance(session, AsyncSession):
        raise ConfigurationError(
            f"cache_query needs an async session: as the first argument, or as .session of it, "
            f"and {type(first).__name__} is and has none"
        )
    return session


def _user_of(session: AsyncSession) -> Any:
    inner = session.sync_session
    return inner.scope.user_id if isinstance(inner, IsolatedSession) else None


def _name(function: Callable[..., Any], first: Any) -> str:
    """Return the function's name; of a method, behind that of the class that it is called on.

    Called on a subclass it may answer something else, and one that it overrides has the same
    name there.
    """
    name = f"{function.__module__}.{function.__qualname__}"
    kind = type(first)
    return (
        name if isinstance(first, AsyncSession) else f"{kind.__module__}.{kind.__qualname__}/{name}"
    )


def _adapter(function: Callable[..., Any]) -> TypeAdapter[Any]:
    # Of the arguments nothing is asked: their types may be imported for type checkers only.
    returned = {"return": function.__annotations__.get("return", inspect.Signature.empty)}
    try:
        if returned["return"] is not inspect.Signature.empty:
            alone = types.SimpleNamespace(__annotations__=returned)
            names: dict[str, Any] = getattr(function, "__globals__", {})
            return TypeAdapter(typing.get_type_hints(alone, names)["return"])
        reason = "its return type is not annotated"
    except NameError as error:
        reason = f"its return type cannot be found: {error}"
    except (PydanticSchemaGenerationError, PydanticUserError):
        reason = "its return type is no plain data: return keys, dicts or pydantic models"
    raise ConfigurationError(f"{function.__qualname__} cannot be cached: {reason}")


def _encoded(adapter: TypeAdapter[Any], value: Any, function: Callable[..., Any]) -> bytes:
    try:
        encoded = adapter.dump_json(value, warnings="error")
        if adapter.validate_json(encoded) == value:
            return encoded
    except ValueError:  # whatever pydantic finds
        pass
    raise QueryRefused(
        f"what {function.__qualname__} has returned does not come back from JSON as it was: "
        f"annotate its return type exactly, and return plain data"
    )
