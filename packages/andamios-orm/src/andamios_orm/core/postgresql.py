"""PostgreSQL through psycopg 3 or asyncpg: its errors in our tree, and no COMMIT that lies.

PostgreSQL rolls a transaction back as soon as one of its statements fails, yet
answers "ok" to the COMMIT that follows. A caller who swallows an error inside a
transaction would lose everything in silence. Here the next statement and the COMMIT
raise ``TransactionAborted``; an error in a SAVEPOINT that was rolled back is forgiven.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import event
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncEngine

from andamios_orm import exceptions
from andamios_orm.core.drivers import DRIVERS, diagnosis, message, status
from andamios_orm.core.swallowed import watch_flushes

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import ExceptionContext

__all__ = ["guard"]

FaultT = TypeVar("FaultT", bound=exceptions.DatabaseFault)

# What is kept in the ``info`` of a connection while a transaction runs.
_FAILURE = "andamios.failure"
_COMMITTING = "andamios.committing"

_IN_FAILED_TRANSACTION = "25P02"
_CONSTRAINTS = {
    "23001": exceptions.ForeignKeyViolation,  # ON DELETE RESTRICT, from PostgreSQL 18 on
    "23502": exceptions.NotNullViolation,
    "23503": exceptions.ForeignKeyViolation,
    "23505": exceptions.DuplicateKey,
    "23514": exceptions.CheckViolation,
    "23P01": exceptions.ConstraintViolation,  # EXCLUDE
}
_OPERATIONS: dict[str, type[exceptions.OperationFault]] = {
    "40001": exceptions.WriteConflict,  # could not serialize
    "40P01": exceptions.WriteConflict,  # deadlock: the other one goes on
    "53100": exceptions.DiskFull,
    "57014": exceptions.StatementTimeout,
}
# The server ends the connection; the driver notices at the next use only.
_ENDING = frozenset({"25P03", "25P04", "57P01", "57P02", "57P03", "57P05"})
_DATA = "22"
"""How the codes of values begin that do not fit."""
_UNKNOWN_TO_PSYCOPG = "cannot adapt type"
_NO_TABLE = "42P01"
_RELATION = re.compile(r'relation "(?P<table>.+)" does not exist')
_KEY = re.compile(r"\((?P<columns>.*?)\)=\((?P<value>.*)\)", re.DOTALL)
_COLUMN = re.compile(r'(?:"(?:[^"]|"")*"|\([^()]*(?:\([^()]*\)[^()]*)*\)|[^,"()])+')
_PARENT = re.compile(r'update or delete on table "(?P<table>.+?)" violates')


def guard(engine: Engine | AsyncEngine) -> None:
    """Make ``engine`` raise our errors, and refuse a transaction that has failed.

    Guarding an engine twice is the same as guarding it once.

    What fails on asyncpg's own connection, behind SQLAlchemy's back, is not seen.

    Raises:
        ConfigurationError: the engine uses neither psycopg 3 nor asyncpg.
    """
    target = engine.sync_engine if isinstance(engine, AsyncEngine) else engine
    if target.dialect.name != "postgresql" or target.dialect.driver not in DRIVERS:
        raise exceptions.ConfigurationError(
            f"{target.url!r} cannot be guarded: use postgresql+psycopg://"
        )
    if event.contains(target, "commit", _commit):
        return
    watch_flushes(target)
    event.listen(target, "handle_error", _handle_error, retval=True)
    event.listen(target, "begin", _forgive)
    event.listen(target, "rollback", _forgive)
    event.listen(target, "rollback_twophase", _forgive)
    event.listen(target, "rollback_savepoint", _forgive)
    event.listen(target, "before_cursor_execute", _refuse_after_failure)
    event.listen(target, "commit", _commit)
    event.listen(target, "prepare_twophase", _prepare)
    event.listen(target, "commit_twophase", _commit_twophase)


def _forgive(connection: Connection, *_savepoint: object) -> None:
    """Forget a failure: the work it belonged to is undone, or was another's."""
    if not connection.invalidated:
        connection.info.pop(_FAILURE, None)
        connection.info.pop(_COMMITTING, None)


def _refuse_after_failure(connection: Connection, _cursor: object, statement: str, *_: Any) -> None:
    """Raise if a statement of this transaction failed, before another one runs."""
    failure = connection.info.get(_FAILURE)
    if failure is not None:
        raise _aborted(failure, statement=statement)


def _commit(connection: Connection) -> None:
    """Raise after a real ROLLBACK if the server would roll back and say "ok"."""
    if connection.invalidated:
        return  # SQLAlchemy refuses this COMMIT by itself
    state = status(connection)
    failure = connection.info.get(_FAILURE)
    if failure is None and state != "INERROR":
        # Nothing is sent in an empty transaction, nor on a connection known as dead.
        connection.info[_COMMITTING] = state == "INTRANS"
        return
    dialect = connection.dialect
    try:
        dialect.do_rollback(connection.connection)
    except dialect.loaded_dbapi.Error as error:
        connection.invalidate(error)
    raise _aborted(failure or "", statement="COMMIT")


def _prepare(connection: Connection, _name: object) -> None:
    """Raise before PREPARE TRANSACTION, which would also roll back and say "ok"."""
    failure = connection.info.get(_FAILURE)
    if failure is not None:
        raise _aborted(failure, statement="PREPARE TRANSACTION")


def _commit_twophase(connection: Connection, name: str, prepared: bool) -> None:  # noqa: FBT001 (the event's signature)
    """Raise after a real ROLLBACK if a transaction that is not prepared has failed."""
    failure = connection.info.get(_FAILURE)
    if failure is not None:
        connection.dialect.do_rollback_twophase(connection, name, is_prepared=prepared)
        raise _aborted(failure, statement="COMMIT")
    connection.info[_COMMITTING] = True


def _handle_error(context: ExceptionContext) -> exceptions.DatabaseFault | None:
    """Return our error for the driver's, and remember that a statement failed."""
    if context.sqlalchemy_exception is None or context.is_pre_ping:
        return None
    code = getattr(context.original_exception, "sqlstate", None)
    if code in _ENDING:
        context.is_disconnect = True
    error = _translated(context, code)
    connection = context.connection
    ran = context.execution_context is not None
    if connection is not None and ran and not context.is_disconnect:
        _remember(connection, context.original_exception, code)
    return error


def _remember(connection: Connection, error: BaseException, code: str | None) -> None:
    """Note which failure ended the transaction of ``connection``.

    An error of the driver itself counts as well: of an executemany, or of a batch of
    inserts, a part may have been sent before it.
    """
    driver: Any = connection.connection.dbapi_connection
    if not driver.autocommit and code != _IN_FAILED_TRANSACTION:
        connection.info[_FAILURE] = message(error).partition("\n")[0]


def _translated(context: ExceptionContext, code: str | None) -> exceptions.DatabaseFault | None:
    """Return the error of our tree that means the same, or None to leave it."""
    if context.connection is None:
        return _fault(context, exceptions.DatabaseUnavailable, _unreachable(context))
    if context.is_disconnect:
        return _cut(context, context.connection)
    if code == _IN_FAILED_TRANSACTION:
        failure = context.connection.info.get(_FAILURE, "")
        return _aborted(failure, statement=context.statement, orig=context.original_exception)
    return _of_statement(context, code)


def _of_statement(context: ExceptionContext, code: str | None) -> exceptions.DatabaseFault | None:
    """Return the error for a statement that the server has refused."""
    original = context.original_exception
    if code in _CONSTRAINTS:
        return _violation(context, _CONSTRAINTS[code])
    if code == _NO_TABLE and (missing := _RELATION.match(diagnosis(original).primary)):
        return _fault(context, exceptions.MissingTable.named, missing["table"])
    if (code or "").startswith(_DATA) or isinstance(context.sqlalchemy_exception, DataError):
        return _fault(context, exceptions.DataFault, message(original))
    if code is None and _UNKNOWN_TO_PSYCOPG in str(original):
        return _fault(context, exceptions.StatementRefused, message(original))
    kind = _OPERATIONS.get(code or "")
    if kind is None or "due to user request" in message(original):
        return None
    return _fault(context, kind, message(original))


def _cut(context: ExceptionContext, connection: Connection) -> exceptions.OperationFault:
    """Return the error for a connection that broke."""
    if context.statement is None and connection.info.get(_COMMITTING):
        return _fault(context, exceptions.CommitOutcomeUnknown, _OUTCOME)
    broke = f"the connection to PostgreSQL broke: {message(context.original_exception)}"
    return _fault(context, exceptions.DatabaseUnavailable, broke)


_OUTCOME = (
    "the connection broke while COMMIT was under way: the transaction may be stored or not; "
    "look for its rows before doing it again"
)


def _unreachable(context: ExceptionContext) -> str:
    """Say which server could not be reached, without its password."""
    where = "the server" if context.engine is None else repr(context.engine.url)
    return f"PostgreSQL at {where} cannot be used: {message(context.original_exception)}"


def _violation(
    context: ExceptionContext, kind: type[exceptions.ConstraintViolation]
) -> exceptions.ConstraintViolation:
    """Return the broken rule with its table, columns and value."""
    found = diagnosis(context.original_exception)
    columns: tuple[str, ...] = (found.column,) if found.column else ()
    value = None
    key = _KEY.search(found.detail)
    if key is not None:
        columns, value = _columns(key["columns"]), key["value"]
    # A parent is refused in the name of its child: the columns are the parent's.
    parent = _PARENT.match(found.primary) if kind is exceptions.ForeignKeyViolation else None
    hidden = context.engine is not None and context.engine.hide_parameters
    return _fault(
        context,
        kind,
        found.primary if hidden else message(context.original_exception),
        table=parent["table"] if parent else found.table,
        columns=columns,
        value=value,
        constraint=found.constraint,
    )


def _columns(listed: str) -> tuple[str, ...]:
    """Return the names, or expressions, in a list as the server prints it.

    >>> _columns('id, "Odd, name", lower(a, b)')
    ('id', 'Odd, name', 'lower(a, b)')
    """
    names = [name.strip() for name in _COLUMN.findall(listed)]
    return tuple(_unquoted(name) for name in names)


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _fault(
    context: ExceptionContext,
    kind: Callable[..., FaultT],
    text: str,
    **details: Any,
) -> FaultT:
    """Return an error of ``kind`` that carries what SQLAlchemy's own would."""
    wrapped = context.sqlalchemy_exception
    error = kind(
        text,
        statement=context.statement,
        params=getattr(wrapped, "params", None),
        orig=context.original_exception,
        hide_parameters=getattr(wrapped, "hide_parameters", False),
        connection_invalidated=context.is_disconnect,
        **details,
    )
    error.ismulti = getattr(wrapped, "ismulti", None)
    return error


def _aborted(
    failure: str, *, statement: str | None, orig: BaseException | None = None
) -> exceptions.TransactionAborted:
    cause = f': "{failure}"' if failure else ""
    text = (
        f"an earlier statement of this transaction failed{cause}; nothing of it is stored: "
        "roll back and run it again, or try what may fail inside begin_nested()"
    )
    return exceptions.TransactionAborted(
        text, cause_message=failure, statement=statement, orig=orig
    )
