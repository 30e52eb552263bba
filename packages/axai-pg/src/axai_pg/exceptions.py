"""The errors of this package; all others that it raises are those of andamios_orm.

::

    AndamiosError
    ├── BackupFailed
    │   └── ArchiveRefused              ValueError
    ├── OrganizationNotEmpty            ValueError
    ├── CycleRefused                    ValueError
    ├── NotPermitted                    PermissionError
    ├── ValueRefused                    ValueError
    │   └── StatusRefused
    ├── ConfigurationError              ValueError
    │   └── NotInitialized              RuntimeError
    ├── PermissionRequired              PermissionError
    ├── LastAdministrator               PermissionError
    ├── CacheUnavailable                ConnectionError
    ├── IsolationError
    │   ├── OrganizationRequired        ValueError
    │   ├── OrganizationChanged         ValueError
    │   └── PrivilegedLogin             PermissionError
    └── DatabaseFault                   sqlalchemy DBAPIError
        ├── ForeignKeyViolation
        │   └── OrganizationUnknown
        └── AccessDenied                sqlalchemy ProgrammingError

``PrivilegedLoginUsed`` is a warning. Each leads to its place in the documentation: ``docs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import exc as sa_exc

from andamios_orm.exceptions import (
    AndamiosError,
    BackupFailed,
    ConfigurationError,
    DatabaseFault,
    ForeignKeyViolation,
    ValueRefused,
)

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Sequence

__all__ = [
    "AccessDenied",
    "ArchiveRefused",
    "CacheUnavailable",
    "CycleRefused",
    "IsolationError",
    "LastAdministrator",
    "NotInitialized",
    "NotPermitted",
    "OrganizationChanged",
    "OrganizationNotEmpty",
    "OrganizationRequired",
    "OrganizationUnknown",
    "PermissionRequired",
    "PrivilegedLogin",
    "PrivilegedLoginUsed",
    "StatusRefused",
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


class ArchiveRefused(BackupFailed, ValueError):
    """An archive of an organisation is damaged, or is none; nothing of it was imported."""


class OrganizationNotEmpty(AndamiosError, ValueError):
    """One that was to be filled has rows. Attributes: ``org_id``, ``table``, ``rows``."""

    def __init__(self, org_id: uuid.UUID, table: str, rows: int) -> None:
        """Keep which it is, and what it has."""
        self.org_id = org_id
        self.table = table
        self.rows = rows
        super().__init__(org_id, table, rows)

    def __str__(self) -> str:
        """Return what it has, and what to do."""
        return (
            f"the organisation {self.org_id} has rows ({self.table}: {self.rows}): name the key of "
            f"a new one"
        )


class CycleRefused(AndamiosError, ValueError):
    """A row of a tree would be above itself. Attributes: ``model`` (name), ``key``, ``parent``."""

    def __init__(self, model: str, key: uuid.UUID, parent: uuid.UUID) -> None:
        """Keep the row, and what was to be above it."""
        self.model = model
        self.key = key
        self.parent = parent
        super().__init__(model, key, parent)

    def __str__(self) -> str:
        """Return which row is below which."""
        return (
            f"{self.model} {self.parent} is {self.model} {self.key}, or below it: choose a parent "
            f"that is not"
        )


class NotPermitted(AndamiosError, PermissionError):
    """A user may not do this with a row.

    Attributes: ``user_id``, ``action``, ``key``, ``resource`` (document or collection).
    """

    def __init__(
        self, user_id: uuid.UUID, action: str, key: uuid.UUID, resource: str = "document"
    ) -> None:
        """Keep who wanted what."""
        self.user_id = user_id
        self.action = action
        self.key = key
        self.resource = resource
        super().__init__(user_id, action, key, resource)

    def __str__(self) -> str:
        """Return who may not do what, and who could permit it."""
        refused = f"user {self.user_id} may not {self.action} {self.resource} {self.key}"
        if self.resource == "document":
            return f"{refused}: its owner, an administrator, or who may share it can permit that"
        return f"{refused}: its owner or an administrator can do that"


class StatusRefused(ValueRefused):
    """A status does not follow another. Attributes: ``status`` (now), ``value``, ``allowed``."""

    def __init__(self, status: str, wanted: str, allowed: Iterable[str]) -> None:
        """Keep the status there is, and those that could follow."""
        self.status = status
        self.allowed = tuple(allowed)
        named = " or ".join(repr(str(each)) for each in self.allowed)
        super().__init__(f"after {str(status)!r} comes {named}", str(wanted), "status")

    def __reduce__(self) -> Any:
        """Pickle what it was made of."""
        return type(self), (self.status, self.value, self.allowed)


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


class PermissionRequired(AndamiosError, PermissionError):
    """The user may not do this in the organisation.

    Attributes: ``resource`` (a table), ``action``, ``user_id`` (None if nobody is named).
    """

    def __init__(self, resource: str, action: str, user_id: uuid.UUID | None) -> None:
        """Keep what was wanted, and by whom."""
        self.resource = resource
        self.action = action
        self.user_id = user_id
        super().__init__(resource, action, user_id)

    def __str__(self) -> str:
        """Return who may not do what, and what to do."""
        if self.user_id is None:
            return f"nobody is named who may {self.action} {self.resource}: pass user_id"
        return (
            f"user {self.user_id} may not {self.action} {self.resource}: give the user a role "
            f"with that permission, or make an inactive user active"
        )


class LastAdministrator(AndamiosError, PermissionError):
    """Without this user nobody administers the organisation. Attribute: ``user_id``."""

    def __init__(self, user_id: uuid.UUID) -> None:
        """Keep who it is."""
        self.user_id = user_id
        super().__init__(user_id)

    def __str__(self) -> str:
        """Return who it is, and what to do first."""
        return (
            f"user {self.user_id} is the last active administrator of the organisation: make "
            f"another user one first, by is_admin=True"
        )


class PrivilegedLoginUsed(UserWarning):
    """The login could see rows of all organisations; each scope acts as another role."""

    docs: ClassVar[str]


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


for _name in __all__:
    globals()[_name].docs = f"docs/reference/errors.md#{_name.lower()}"
