"""Every error this package raises, in one tree.

Each one that a SQLAlchemy user would catch today is a subclass of what they
catch, so ``except IntegrityError`` keeps working::

    AndamiosError
    ├── ConfigurationError                  ValueError
    ├── MissingExtra                        ImportError
    ├── NotFound                            LookupError
    ├── HistoryExpired                      LookupError
    ├── FollowerUnknown                     LookupError
    ├── MigrationFailed
    ├── MigrationLocked                     TimeoutError
    ├── MigrationRefused                    ValueError
    │   ├── RevisionUnknown                 LookupError
    │   └── RevisionsPending
    ├── MoreThanOne                         sqlalchemy MultipleResultsFound
    ├── NotLoaded                           sqlalchemy InvalidRequestError
    ├── ValueRefused                        ValueError
    ├── BackupFailed
    ├── BulkRefused                         ValueError
    ├── LoadTooLarge                        MemoryError
    ├── DecryptionFailed                    ValueError
    ├── QueryRefused                        ValueError
    │   ├── UnknownField
    │   ├── UnknownOperator
    │   └── CursorRefused
    ├── PoolExhausted                       sqlalchemy TimeoutError
    └── DatabaseFault                       sqlalchemy DBAPIError
        ├── ConstraintViolation             sqlalchemy IntegrityError
        │   ├── DuplicateKey
        │   ├── ForeignKeyViolation
        │   ├── NotNullViolation
        │   └── CheckViolation
        ├── DataFault                       sqlalchemy DataError
        ├── StatementRefused                sqlalchemy ProgrammingError
        ├── NestedTransactionUnsupported    sqlalchemy NotSupportedError
        └── OperationFault                  sqlalchemy OperationalError
            ├── ConcurrencyConflict
            │   ├── WriteConflict
            │   └── StaleVersion            sqlalchemy StaleDataError
            ├── TransactionAborted
            ├── CommitOutcomeUnknown
            ├── StatementTimeout            TimeoutError
            ├── WriteGateTimeout            TimeoutError
            ├── WriteDeadlock
            ├── ForkedProcess
            └── DatabaseUnavailable
                ├── DatabaseLocked
                ├── DatabaseAlreadyOpen
                ├── DatabaseCorrupt
                ├── DatabaseReplaced
                ├── DatabaseClosed
                └── DiskFull

``UncommittedChanges`` is a warning. Attributes that a handler may want
(``error.table``, ``error.pid``) are documented with each class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from sqlalchemy import exc as sa_exc
from sqlalchemy.orm import exc as orm_exc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "AndamiosError",
    "BackupFailed",
    "BulkRefused",
    "CheckViolation",
    "CommitOutcomeUnknown",
    "ConcurrencyConflict",
    "ConfigurationError",
    "ConstraintViolation",
    "CursorRefused",
    "DataFault",
    "DatabaseAlreadyOpen",
    "DatabaseClosed",
    "DatabaseCorrupt",
    "DatabaseFault",
    "DatabaseLocked",
    "DatabaseReplaced",
    "DatabaseUnavailable",
    "DecryptionFailed",
    "DiskFull",
    "DuplicateKey",
    "FollowerUnknown",
    "ForeignKeyViolation",
    "ForkedProcess",
    "HistoryExpired",
    "LoadTooLarge",
    "MigrationFailed",
    "MigrationLocked",
    "MigrationRefused",
    "MissingExtra",
    "MissingTable",
    "MoreThanOne",
    "NestedTransactionUnsupported",
    "NotFound",
    "NotLoaded",
    "NotNullViolation",
    "OperationFault",
    "PoolExhausted",
    "QueryRefused",
    "RevisionUnknown",
    "RevisionsPending",
    "StaleVersion",
    "StatementRefused",
    "StatementTimeout",
    "TransactionAborted",
    "UncommittedChanges",
    "UnknownField",
    "UnknownOperator",
    "ValueRefused",
    "WriteConflict",
    "WriteDeadlock",
    "WriteGateTimeout",
]


_PAGE = "docs/reference/errors.md"


class AndamiosError(Exception):
    """The root of everything this package raises on purpose.

    ``docs`` is where the documentation says what to do; a traceback ends with it,
    and the message (``str(error)``) is without.
    """

    docs: ClassVar[str] = f"{_PAGE}#andamioserror"

    def __init_subclass__(cls) -> None:
        """Give an error of this module its place; one derived elsewhere keeps its parent's."""
        super().__init_subclass__()
        if cls.__module__ == __name__:
            cls.docs = f"{_PAGE}#{cls.__name__.lower()}"

    @property
    def __notes__(self) -> list[str]:
        # No __new__ or __init__ adds it: OSError would take what they are given for an errno.
        notes: list[str] = self.__dict__.setdefault("__notes__", [f"What to do: {self.docs}"])
        return notes

    @__notes__.setter
    def __notes__(self, notes: list[str]) -> None:
        self.__dict__["__notes__"] = notes


class UncommittedChanges(RuntimeWarning):
    """A session closed with writes that were flushed and never committed."""

    docs: ClassVar[str] = f"{_PAGE}#uncommittedchanges"


class ConfigurationError(AndamiosError, ValueError):
    """An option, setting or URL is unknown or does not make sense."""


class MissingExtra(AndamiosError, ImportError):
    """An optional dependency is needed; the message says which pip install mends it."""


class NotFound(AndamiosError, LookupError):
    """The row asked for does not exist. Attributes: ``model`` (name), ``key``."""

    def __init__(self, model: str, key: object) -> None:
        """Name the model and the key that was looked up."""
        self.model = model
        self.key = key
        super().__init__(model, key)

    def __str__(self) -> str:
        """Return "Project 7 does not exist"."""
        return f"{self.model} {self.key} does not exist"


class HistoryExpired(AndamiosError, LookupError):
    """What was asked for is older than what the change feed keeps.

    Attributes: ``position`` and ``time`` up to which it was removed (None if not known).
    """

    def __init__(self, message: str, *, position: int | None = None, time: object = None) -> None:
        """Keep from where on the feed is complete."""
        self.position = position
        self.time = time
        super().__init__(message)


class FollowerUnknown(AndamiosError, LookupError):
    """No follower has this name. Attributes: ``name``, ``known`` (the names there are)."""

    def __init__(self, name: str, known: Sequence[str] = ()) -> None:
        """Keep the name that was asked for, and those that exist."""
        self.name = name
        self.known = tuple(known)
        super().__init__(name, self.known)

    def __str__(self) -> str:
        """Return "no follower is named 'x'", and the names there are."""
        known = ", ".join(self.known) or "none"
        return f"no follower of the change feed is named {self.name!r}; there are: {known}"


class MoreThanOne(AndamiosError, sa_exc.MultipleResultsFound):
    """Several rows are what one was asked for. Attributes: ``model`` (name), ``key``."""

    code = ""

    def __init__(self, model: str, key: object) -> None:
        """Name the model and what was looked up."""
        self.model = model
        self.key = key
        super().__init__(model, key)

    def __str__(self) -> str:
        """Return "several Project with name='a' exist, and one was asked for"."""
        return f"several {self.model} {self.key} exist, and one was asked for"


class NotLoaded(AndamiosError, sa_exc.InvalidRequestError):
    """A relationship was touched that no query had loaded.

    Attributes: ``model`` and ``relation`` (names).
    """

    def __init__(self, model: str, relation: str) -> None:
        """Name the model and its relationship."""
        self.model = model
        self.relation = relation
        super().__init__(model, relation)

    def __str__(self) -> str:
        """Return what is missing and both ways to load it."""
        name = f"{self.model}.{self.relation}"
        return (
            f"{name} is not loaded: load it with the {self.model}, by load=[{name}] in a "
            f"repository or select({self.model}).options(selectinload({name}))"
        )


class ValueRefused(AndamiosError, ValueError, sa_exc.DontWrapMixin):
    """A value would have been changed in silence by the database.

    Attributes: ``column`` (None until known), ``value``, ``reason``.
    """

    def __init__(self, reason: str, value: object, column: str | None = None) -> None:
        """Keep what was refused and why."""
        self.reason = reason
        self.value = value
        self.column = column
        super().__init__(reason, value, column)

    def __str__(self) -> str:
        """Return the column, the value (shortened) and the reason."""
        shown = repr(self.value)
        if len(shown) > _SHOWN:
            shown = f"{shown[:_SHOWN]}…"
        where = f"column {self.column!r}: " if self.column else ""
        return f"{where}{shown} is refused: {self.reason}"


class RowRefusal(NamedTuple):
    """What is wrong with one value: ``row`` counts from 0, None is every row."""

    row: int | None
    field: str
    message: str
    value: object = None

    def __str__(self) -> str:
        """Return "row 7, name: it has 300 characters, the column holds 200"."""
        where = "every row" if self.row is None else f"row {self.row}"
        return (
            f"{where}, {self.field}: {self.message}" if self.field else f"{where}: {self.message}"
        )


class BulkRefused(AndamiosError, ValueError):
    """Rows of a bulk operation are wrong; nothing of it was written.

    Attributes: ``model`` (name), ``errors`` (a ``RowRefusal`` for each bad field of
    each bad row; a secret value is ``"***"``).
    """

    def __init__(self, model: str, errors: Sequence[RowRefusal]) -> None:
        """Keep the model's name and every refusal."""
        self.model = model
        self.errors = tuple(errors)
        super().__init__(model, self.errors)

    def __str__(self) -> str:
        """Return how many rows are bad and what is wrong with the first of them."""
        rows = {error.row for error in self.errors}
        count = "every row" if None in rows else f"{len(rows)} row{'s' * (len(rows) > 1)}"
        listed = "; ".join(map(str, self.errors[:_LISTED]))
        more = f"; and {len(self.errors) - _LISTED} more" if len(self.errors) > _LISTED else ""
        return f"{self.model}: {count} refused, nothing was written: {listed}{more}"


_LISTED = 10


class LoadTooLarge(AndamiosError, MemoryError):
    """One transaction cannot hold what is to be loaded; nothing was written.

    Attributes: ``needed`` and ``available``, in bytes.
    """

    def __init__(self, needed: int, available: int) -> None:
        """Keep both figures."""
        self.needed = needed
        self.available = available
        super().__init__(needed, available)

    def __str__(self) -> str:
        """Return both figures and the remedy."""
        return (
            f"loading it in one transaction takes about {self.needed >> 20} MiB and "
            f"{self.available >> 20} MiB are available: use atomic=False, or raise memory_limit"
        )


_SHOWN = 80


class DecryptionFailed(AndamiosError, ValueError, sa_exc.DontWrapMixin):
    """A stored value was encrypted with a key that is not among the given ones."""


class QueryRefused(AndamiosError, ValueError):
    """A query cannot be built as it was asked for; nothing was sent.

    Attribute: ``known`` (the names that would have been accepted, if that is the matter).
    """

    def __init__(self, message: str, known: Sequence[str] = ()) -> None:
        """Keep what is known beside the message."""
        self.known = tuple(known)
        super().__init__(message, self.known)

    def __str__(self) -> str:
        """Return the message with the names that are known."""
        message: str = self.args[0]
        return f"{message}; known are {', '.join(self.known)}" if self.known else message


class UnknownField(QueryRefused):
    """The model has no such field, or it cannot be used like that."""


class UnknownOperator(QueryRefused):
    """There is no such comparison, or not for this field."""


class CursorRefused(QueryRefused):
    """The cursor was made for another ordering, was altered, or is none at all."""


class BackupFailed(AndamiosError):
    """A copy is not what it was made of. A file was removed; rows of a database are there."""


class MigrationRefused(AndamiosError, ValueError):
    """A migration cannot be made, planned or run as it was asked for; nothing was changed."""


class RevisionUnknown(MigrationRefused, LookupError):
    """No revision has this name. Attributes: ``name``, ``known`` (the ids there are)."""

    def __init__(self, name: str, known: Sequence[str] = ()) -> None:
        """Keep the name that was asked for, and the ids that exist."""
        self.name = name
        self.known = tuple(known)
        super().__init__(name, self.known)

    def __str__(self) -> str:
        """Return "no revision is called 'x'", and the ids there are."""
        known = ", ".join(self.known) or "none"
        return f"no revision is called {self.name!r}; there are: {known}"


class RevisionsPending(MigrationRefused):
    """The database is not at the newest revision. Attributes: ``current``, ``pending`` (ids)."""

    def __init__(
        self, message: str, *, current: Sequence[str] = (), pending: Sequence[str] = ()
    ) -> None:
        """Keep where the database is, and what has not been run on it."""
        self.current = tuple(current)
        self.pending = tuple(pending)
        super().__init__(message)


class MigrationFailed(AndamiosError):
    """A revision raised an error; the database is at the revision before it.

    Attributes: ``revision`` (id), ``direction`` (upgrade or downgrade), ``path`` (its
    file), ``reason``, ``statement`` (the one that was refused, if one was). The error
    itself is the cause (``__cause__``).
    """

    def __init__(
        self,
        revision: str,
        direction: str,
        *,
        path: Path | None = None,
        statement: str | None = None,
        reason: str = "",
    ) -> None:
        """Keep what was run, and why it failed."""
        self.revision = revision
        self.direction = direction
        self.path = path
        self.statement = statement
        self.reason = reason
        super().__init__(revision, direction, reason)

    def __reduce__(self) -> Any:
        """Pickle by state: what made it is given by name."""
        return _rebuild, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        """Return which revision failed and why, and what is left."""
        after = f"; the statement was {self.statement}" if self.statement else ""
        return (
            f"the {self.direction} of revision {self.revision} ({self.path}) failed and was rolled "
            f"back: {self.reason}{after}"
        )


class MigrationLocked(AndamiosError, TimeoutError):
    """Another process migrates this database. Attributes: ``seconds`` waited, ``holder``."""

    def __init__(self, seconds: float, holder: str) -> None:
        """Keep how long was waited, and for whom."""
        self.seconds = seconds
        self.holder = holder
        super().__init__(seconds, holder)

    def __reduce__(self) -> Any:
        """Pickle by state: an OSError of two values would be an errno."""
        return _rebuild, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        """Return who migrates."""
        return f"{self.holder} migrates this database, and was not done after {self.seconds:g} s"


class PoolExhausted(AndamiosError, sa_exc.TimeoutError):
    """No connection came free in time. Attribute: ``holders`` (who has one, since when)."""

    code = ""

    def __init__(self, message: str, holders: Sequence[str] = ()) -> None:
        """Keep the holders beside the message."""
        self.holders = tuple(holders)
        super().__init__(message)


class DatabaseFault(AndamiosError, sa_exc.DBAPIError):
    """The database, or the way to it, refused something.

    Attributes: ``statement``, ``params``, ``orig`` (the driver's own error, if any).
    """

    code = ""  # SQLAlchemy's link to its own error pages says nothing of ours

    def __init__(
        self,
        message: str,
        *,
        statement: str | None = None,
        params: Any = None,
        orig: BaseException | None = None,
        hide_parameters: bool = False,
        connection_invalidated: bool = False,
    ) -> None:
        """Build the error with the statement it belongs to, if there is one."""
        sa_exc.StatementError.__init__(
            self,
            message,
            statement,
            params,
            orig,
            hide_parameters=hide_parameters,
        )
        self.connection_invalidated = connection_invalidated

    def __reduce__(self) -> Any:
        """Pickle by state: subclasses have signatures of their own."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[AndamiosError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class ConstraintViolation(DatabaseFault, sa_exc.IntegrityError):
    """A row breaks a rule of its table; nothing of the statement was kept.

    Attributes: ``table``, ``columns`` (names), ``value`` (as the database prints
    it), ``constraint`` (its name where the database tells it).
    """

    def __init__(
        self,
        message: str,
        *,
        table: str | None = None,
        columns: Sequence[str] = (),
        value: object = None,
        constraint: str | None = None,
        **context: Any,
    ) -> None:
        """Keep what is known of the broken rule."""
        super().__init__(message, **context)
        self.table = table
        self.columns = tuple(columns)
        self.value = value
        self.constraint = constraint


class DuplicateKey(ConstraintViolation):
    """A row with this key, or with this unique value, exists already."""


class ForeignKeyViolation(ConstraintViolation):
    """The row referred to does not exist, or is still referred to."""


class NotNullViolation(ConstraintViolation):
    """A column that must have a value has none."""


class CheckViolation(ConstraintViolation):
    """A CHECK rule of the table does not hold."""


class DataFault(DatabaseFault, sa_exc.DataError):
    """A value is of another type than is wanted, out of range, too long, or cannot be computed."""


class StatementRefused(DatabaseFault, sa_exc.ProgrammingError):
    """The statement is not allowed on this engine; it was not run.

    Attribute: ``kind`` (DuckDB's statement type, such as ``COPY``).
    """

    def __init__(self, message: str, *, kind: str | None = None, **context: Any) -> None:
        """Keep the kind of statement that was refused."""
        super().__init__(message, **context)
        self.kind = kind


class MissingTable(DatabaseFault, sa_exc.ProgrammingError):
    """The database has no such table. Attribute: ``table`` (name, as the database gives it)."""

    def __init__(self, message: str, *, table: str | None = None, **context: Any) -> None:
        """Keep the name of the table."""
        super().__init__(message, **context)
        self.table = table

    @classmethod
    def named(cls, table: str, **context: Any) -> MissingTable:
        """Return the error for ``table``, with what to do."""
        return cls(
            f"there is no table {table}: make the tables, with "
            f"connection.run_sync(Base.metadata.create_all), or run the migrations",
            table=table,
            **context,
        )


class NestedTransactionUnsupported(DatabaseFault, sa_exc.NotSupportedError):
    """DuckDB has no SAVEPOINT, so ``begin_nested()`` cannot keep its promise there."""


class OperationFault(DatabaseFault, sa_exc.OperationalError):
    """Something went wrong in running the statement rather than in the statement."""


class ConcurrencyConflict(OperationFault):
    """Another writer was first; run the unit of work again from its beginning."""


class WriteConflict(ConcurrencyConflict):
    """What this transaction read was changed by another writer before it wrote."""


class StaleVersion(ConcurrencyConflict, orm_exc.StaleDataError):
    """The row has a newer version. Attributes: ``expected`` and ``actual`` version."""

    def __init__(
        self, message: str, *, expected: object = None, actual: object = None, **context: Any
    ) -> None:
        """Keep both versions."""
        super().__init__(message, **context)
        self.expected = expected
        self.actual = actual


class TransactionAborted(OperationFault):
    """An earlier statement failed, so the transaction can only be rolled back.

    Attribute: ``cause_message`` (what that statement's error said).
    """

    def __init__(self, message: str, *, cause_message: str = "", **context: Any) -> None:
        """Keep the message of the statement that failed first."""
        super().__init__(message, **context)
        self.cause_message = cause_message


class CommitOutcomeUnknown(OperationFault):
    """The connection broke during COMMIT: it may or may not have happened."""


class StatementTimeout(OperationFault, TimeoutError):
    """The statement ran longer than its time. Attribute: ``seconds``."""

    def __init__(self, message: str, *, seconds: float = 0.0, **context: Any) -> None:
        """Keep the limit in seconds."""
        super().__init__(message, **context)
        self.seconds = seconds


class WriteGateTimeout(OperationFault, TimeoutError):
    """Another transaction kept the write gate too long.

    Attributes: ``holder`` (its task or thread), ``age`` (seconds it has held the
    gate), ``last_statement`` (what it ran last).
    """

    def __init__(
        self,
        message: str,
        *,
        holder: str = "",
        age: float = 0.0,
        last_statement: str = "",
        **context: Any,
    ) -> None:
        """Keep who held the gate."""
        super().__init__(message, **context)
        self.holder = holder
        self.age = age
        self.last_statement = last_statement


class WriteDeadlock(OperationFault):
    """The task would have waited for itself; it was refused at once."""


class ForkedProcess(OperationFault):
    """The engine was opened before ``fork()``; a child process must open its own."""


class DatabaseUnavailable(OperationFault):
    """The database cannot be opened or used as it is. Attribute: ``path``."""

    def __init__(self, message: str, *, path: Path | str | None = None, **context: Any) -> None:
        """Keep the file concerned."""
        super().__init__(message, **context)
        self.path = path


class DatabaseLocked(DatabaseUnavailable):
    """Another process has the file open. Attribute: ``pid`` (None if not told)."""

    def __init__(self, message: str, *, pid: int | None = None, **context: Any) -> None:
        """Keep the process that holds the lock."""
        super().__init__(message, **context)
        self.pid = pid


class DatabaseAlreadyOpen(DatabaseUnavailable):
    """The file is open in this process already, in a way that excludes this one."""


class DatabaseCorrupt(DatabaseUnavailable):
    """The file is damaged or is no DuckDB database; restore it from a backup."""


class DatabaseReplaced(DatabaseUnavailable):
    """The file was deleted or swapped under the open engine; writes would be lost."""


class DatabaseClosed(DatabaseUnavailable):
    """The database was closed while something still wanted to use it."""


class DiskFull(DatabaseUnavailable):
    """There is no space left; what was committed before is safe and readable."""
