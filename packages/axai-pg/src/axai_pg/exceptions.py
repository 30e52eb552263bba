"""The errors of this package; all others that it raises are those of andamios_orm.

::

    AndamiosError
    ├── ConfigurationError              ValueError
    │   └── NotInitialized              RuntimeError
    ├── CacheUnavailable                ConnectionError
    ├── IsolationError
    │   ├── OrganizationRequired        ValueError
    │   ├── OrganizationChanged         ValueError
    │   └── PrivilegedLogin             PermissionError
    └── DatabaseFault                   sqlalchemy DBAPIError
        ├── ForeignKeyViolation
        │   └── OrganizationUnknown
        └── AccessDenied                sqlalchemy ProgrammingError

``PrivilegedLoginUsed`` is a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import exc as sa_exc

from andamios_orm.exceptions import (
    AndamiosError,
    ConfigurationError,
    DatabaseFault,
    ForeignKeyViolation,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

__all__ = [
    "AccessDenied",
    "CacheUnavailable",
    "IsolationError",
    "NotInitialized",
    "OrganizationChanged",
    "OrganizationRequired",
    "OrganizationUnknown",
    "PrivilegedLogin",
    "PrivilegedLoginUsed",
]


class NotInitialized(ConfigurationError, RuntimeError):
    """There is no ``DatabaseManager`` to get: nobody has initialised it, or it is disposed of."""

    def __init__(self) -> None:
        """Say how to initialise it."""
        super().__init__(
            "DatabaseManager not initialized: call "
            "DatabaseManager.initialize(PostgresConnectionConfig.from_env()) once, where the "
            "program starts"
        )

    def __reduce__(self) -> Any:
        """Pickle without the message: it makes its own."""
        return type(self), ()


class CacheUnavailable(AndamiosError, ConnectionError):
    """Answers could not be removed from Redis, which does not answer. Attribute: ``reason``."""

    def __init__(self, reason: str) -> None:
        """Keep what went wrong: the name of the client's error."""
        self.reason = reason
        super().__init__(reason)

    def __str__(self) -> str:
        """Return what is left, and what to do."""
        return (
            f"Redis does not answer ({self.reason}), and the answers in it stay: remove them "
            f"again once it does; each is forgotten when its time is over"
        )


class IsolationError(AndamiosError):
    """What keeps organisations apart refuses something; nothing was sent to the database."""


class OrganizationRequired(IsolationError, ValueError):
    """A table of organisations was touched in a scope without one. Attribute: ``table``."""

    def __init__(self, table: str) -> None:
        """Name the table."""
        self.table = table
        super().__init__(table)

    def __str__(self) -> str:
        """Return which argument is missing."""
        return (
            f"{self.table} holds rows of organisations, and this scope has none: pass org_id to "
            f"session_scope() or async_session_scope(); an operator uses system_scope(reason)"
        )


class OrganizationChanged(IsolationError, ValueError):
    """A scope was to be opened inside one of another organisation.

    Attributes: ``outer`` and ``inner``, keys of organisations; ``inner`` is None where it
    is all of them.
    """

    def __init__(self, outer: uuid.UUID, inner: uuid.UUID | None) -> None:
        """Keep both organisations."""
        self.outer = outer
        self.inner = inner
        super().__init__(outer, inner)

    def __str__(self) -> str:
        """Return both, and what to do."""
        wanted = "all organisations" if self.inner is None else f"organisation {self.inner}"
        return (
            f"a scope of {wanted} was asked for inside one of organisation {self.outer}: leave "
            f"that first, or do it in a task or thread of its own, with a new context"
        )


class PrivilegedLogin(IsolationError, PermissionError):
    """The login could see rows of all organisations, and that was not to be.

    Attributes: ``login``, ``reasons`` (why it could), ``commands`` (SQL that mends it).
    """

    def __init__(self, login: str, reasons: Sequence[str], commands: Sequence[str]) -> None:
        """Keep who it is, why that is too much, and what to do."""
        self.login = login
        self.reasons = tuple(reasons)
        self.commands = tuple(commands)
        super().__init__(login, self.reasons, self.commands)

    def __str__(self) -> str:
        """Return all three."""
        return privileged(self.login, self.reasons, self.commands)


class PrivilegedLoginUsed(UserWarning):
    """The login could see rows of all organisations; each scope acts as another role."""


class OrganizationUnknown(ForeignKeyViolation):
    """A row was written in an organisation that does not exist."""


class AccessDenied(DatabaseFault, sa_exc.ProgrammingError):
    """The database does not let the role of the scope do this. Attribute: ``table`` (or None)."""

    def __init__(self, message: str, *, table: str | None = None, **context: Any) -> None:
        """Keep the name of the table."""
        super().__init__(message, **context)
        self.table = table


def privileged(login: str, reasons: Sequence[str], commands: Sequence[str]) -> str:
    """Return that ``login`` is privileged, why, and the commands that mend it.

    >>> privileged("ana", ["it is a superuser"], ["ALTER ROLE ana NOSUPERUSER"])
    'the login ana could see all organisations (it is a superuser): ALTER ROLE ana NOSUPERUSER'
    """
    return (
        f"the login {login} could see all organisations ({', '.join(reasons)}): "
        f"{'; '.join(commands)}"
    )
