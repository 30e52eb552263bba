"""Permissions asked for before something is done: by a repository, or by a function."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn, TypeVar

from andamios_orm.exceptions import ConfigurationError, QueryRefused
from andamios_orm.repositories import BaseRepository
from axai_pg.data.models import Action
from axai_pg.data.security.permissions import SecurityManager, isolated, require

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from andamios_orm.repositories import CallNext, Middleware, Operation

__all__ = ["SecureRepository", "SecurityQueryMiddleware", "require_permission"]

ModelT = TypeVar("ModelT")
CallT = TypeVar("CallT", bound="Callable[..., Any]")

_READ: Final = (Action.READ,)
_STORE: Final = (Action.CREATE, Action.UPDATE)
_ACTIONS: Final = {
    **dict.fromkeys(("create", "add", "add_many", "bulk_create", "load"), (Action.CREATE,)),
    **dict.fromkeys(
        ("update", "update_many", "get_and_update", "bulk_update", "restore"), (Action.UPDATE,)
    ),
    **dict.fromkeys(
        ("delete", "delete_many", "delete_where", "purge", "bulk_delete"), (Action.DELETE,)
    ),
    **dict.fromkeys(("upsert", "upsert_many", "get_or_upsert", "bulk_upsert"), _STORE),
    "get_or_create": (Action.READ, Action.CREATE),
}
_ANY: Final = (Action.CREATE, Action.UPDATE, Action.DELETE)


class SecurityQueryMiddleware:
    """Middleware of a repository: asks whether the user may do what is about to be done.

    A method of your own that writes, and that it knows nothing of, takes all permissions to
    write.
    """

    async def __call__(self, operation: Operation, call_next: CallNext) -> Any:
        """Return what the operation returns.

        Raises:
            PermissionRequired: the user of the session may not do it.
            ConfigurationError: the repository is on no session of a scope.
        """
        manager = SecurityManager(operation.repository.session)
        default = _ANY if operation.writes else _READ
        for action in _ACTIONS.get(operation.name, default):
            await manager.require(operation.model.__tablename__, action)
        return await call_next(operation)


class SecureRepository(BaseRepository[ModelT]):
    """A repository that does what the user of its session may do, and nothing else.

    ``without_middleware()`` and ``session`` ask nobody: they are for methods of your own.
    """

    middleware: ClassVar[Sequence[Middleware]] = (SecurityQueryMiddleware(),)

    def query(self) -> NoReturn:
        """Refuse: a query builder sends what it builds by itself, and asks nobody.

        Raises:
            QueryRefused: always.
        """
        raise QueryRefused(
            f"query() of {type(self).__name__} would ask for no permission: use list(), count() "
            f"or stream() with conditions"
        )


def require_permission(resource: str, action: Action | str) -> Callable[[CallT], CallT]:
    """Return a decorator: the function is called if the user of its session may do ``action``.

    The session is the first argument that is one of a scope, or that has one as ``session``.

    Raises:
        PermissionRequired: from the function, before it does anything.
        ConfigurationError: from the function, which was given no session.
    """

    def decorate(function: CallT) -> CallT:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*arguments: Any, **options: Any) -> Any:
                session = _session_in(arguments, options)
                await SecurityManager(session).require(resource, action)
                return await function(*arguments, **options)

            return awaited  # type: ignore[return-value]  # it takes and gives the same

        @functools.wraps(function)
        def called(*arguments: Any, **options: Any) -> Any:
            require(isolated(_session_in(arguments, options)), resource, action)
            return function(*arguments, **options)

        return called  # type: ignore[return-value]  # it takes and gives the same

    return decorate


def _session_in(arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    for value in (*arguments, *options.values()):
        for candidate in (value, getattr(value, "session", None)):
            try:
                isolated(candidate)
            except ConfigurationError:
                continue
            return candidate
    raise ConfigurationError("pass a session of a scope, or something with one as its session")
