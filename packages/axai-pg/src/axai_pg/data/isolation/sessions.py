"""Sessions whose every transaction begins by saying who acts, and in which organisation.

The database keeps organisations apart by what ``axai.org_id`` is in a transaction. It is
never set for longer than that, so nothing of it is left on a connection of a pool.
"""

from __future__ import annotations

import re
import threading
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Uuid, cast, event, func, text, true
from sqlalchemy.orm import ORMExecuteState, with_loader_criteria

from andamios_orm.core.blocking import BlockingSession
from andamios_orm.core.ledger import Ledger
from andamios_orm.exceptions import ConfigurationError, ForeignKeyViolation
from axai_pg.data.isolation.beginning import begin_with, use_beginnings
from axai_pg.data.isolation.login import APP, SYSTEM, Login
from axai_pg.data.isolation.operators import ToldToAll
from axai_pg.data.models import Base, Organization
from axai_pg.data.models.base import TenantMixin
from axai_pg.exceptions import (
    AccessDenied,
    OrganizationRequired,
    OrganizationUnknown,
    PrivilegedLoginUsed,
    privileged,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import ExceptionContext
    from sqlalchemy.orm import SessionTransaction

    from axai_pg.data.isolation.scope import Scope

__all__ = ["IsolatedSession", "Isolation", "watch"]

_BARE: Final = "axai.bare"
_DENIED: Final = "42501"
_NOT_OURS: Final = re.compile(r'row-level security policy.* for table "(?P<table>.+)"')
# Of a table with policies, the server does not tell which key is missing.
_TO_ORGANIZATION: Final = re.compile(r"_org_id_organizations$")
_TABLE: Final = re.compile(r"for (?:table|view) (?P<table>\S+)$")
_ENTER: Final = text(
    "SELECT set_config('role', :role, true), set_config('axai.org_id', :org_id, true), "
    "set_config('axai.user_id', :user_id, true)"
)
_NOTE: Final = text(
    "SELECT axai_note_operation("
    "'system_scope', jsonb_build_object('reason', CAST(:reason AS text)))"
)


class Isolation:
    """What the sessions of one manager share: how a login that is privileged is met."""

    def __init__(self, *, require_unprivileged: bool = False) -> None:
        """Refuse a privileged login, or warn of it once."""
        self.require_unprivileged = require_unprivileged
        self.warned = False
        """Whether it has warned, or need not."""
        self._lock = threading.Lock()

    def enter(self, connection: Connection, scope: Scope) -> None:
        """Make the transaction of ``connection`` that of ``scope``.

        Raises:
            ConfigurationError: statements commit one by one, or the login lacks a role.
            PrivilegedLogin: the login is privileged, and was not to be.
        """
        driver: Any = connection.connection.dbapi_connection
        if driver.autocommit:
            raise ConfigurationError(
                "a scope is a transaction, and with AUTOCOMMIT there is none: leave "
                "isolation_level as it is"
            )
        connection.info[_BARE] = False
        login = Login.of(connection)
        if self.require_unprivileged:
            login.refuse_if_privileged()
            if scope.is_system:
                raise ConfigurationError(
                    "this manager takes logins of services only: operators have a login and a "
                    "DatabaseManager of their own, without require_unprivileged"
                )
        role = SYSTEM if scope.is_system else APP
        login.refuse_unless(role)
        if not begin_with(connection, scope, role):
            connection.execute(
                _ENTER,
                {
                    "role": role,
                    "org_id": str(scope.org_id or ""),
                    "user_id": str(scope.user_id or ""),
                },
            )
        connection.info[_BARE] = scope.is_bare
        if login.reasons and not scope.is_system:  # an operator's login has to be
            self._warn(login)

    def note(self, connection: Connection, scope: Scope) -> None:
        """Write to the audit log why an operator acts.

        Raises:
            ConfigurationError: the login may not act as an operator.
        """
        self.enter(connection, scope)
        connection.execute(_NOTE, {"reason": scope.reason})

    def _warn(self, login: Login) -> None:
        with self._lock:
            if self.warned:
                return
            self.warned = True
        warnings.warn(
            f"{privileged(login.name, login.reasons, login.advice)}. Until then each scope acts "
            f"as {APP}; require_unprivileged=True refuses such a login",
            PrivilegedLoginUsed,
            stacklevel=2,
        )


class IsolatedSession(BlockingSession):
    """A session of one scope. It can be what runs inside an async session."""

    def __init__(
        self, bind: Any = None, *, scope: Scope, isolation: Isolation, **options: Any
    ) -> None:
        """Bind to an engine that is watched, and to a scope for good."""
        super().__init__(bind, **options)
        self.scope = scope
        self.isolation = isolation


@event.listens_for(IsolatedSession, "after_begin")
def _enter(
    session: IsolatedSession, transaction: SessionTransaction, connection: Connection
) -> None:
    if transaction.nested:  # a savepoint is inside what has been entered
        return
    try:
        session.isolation.enter(connection, session.scope)
    except BaseException:
        # The session would go on with a connection that knows of no scope.
        connection.invalidate()
        raise
    if session.scope.is_system:
        Ledger.of(connection).add(ToldToAll())


# The same for all organisations, so that a statement is compiled once.
_ORGANIZATION: Final = cast(func.nullif(func.current_setting("axai.org_id", true()), ""), Uuid)
_CRITERIA: Final = (
    with_loader_criteria(
        TenantMixin, lambda model: model.org_id == _ORGANIZATION, include_aliases=True
    ),
    with_loader_criteria(Organization, Organization.id == _ORGANIZATION, include_aliases=True),
)


@event.listens_for(IsolatedSession, "do_orm_execute")
def _restrict(state: ORMExecuteState) -> None:
    """Let the planner know, too, which organisation the rows are of."""
    session = state.session
    if (
        isinstance(session, IsolatedSession)
        and session.scope.org_id is not None
        and state.is_orm_statement
        and not state.is_column_load
        and not state.is_relationship_load
        and (state.is_select or state.is_update or state.is_delete)
    ):
        state.statement = state.statement.options(*_CRITERIA)


@event.listens_for(IsolatedSession, "do_orm_execute")
def _note_organizations(state: ORMExecuteState) -> None:
    """Note who may be gone after a statement of an operator, and is to be told of it."""
    session = state.session
    if (
        isinstance(session, IsolatedSession)
        and session.scope.is_system
        and state.is_delete
        and state.bind_mapper is not None
        and state.bind_mapper.class_ is Organization
    ):
        connection = session.connection()
        Ledger.of(connection).add(ToldToAll.present(connection))


def watch(engine: Engine) -> None:
    """Let ``engine`` say what the database would only answer with nothing, or with a code."""
    use_beginnings(engine)
    event.listen(engine, "before_cursor_execute", _require_organization)
    event.listen(engine, "handle_error", _explain, retval=True)


def _require_organization(
    connection: Connection, _cursor: object, statement: str, *_others: object
) -> None:
    """Raise if a statement in a scope without an organisation names a table of organisations.

    The database would show no row. What is text, and what goes past the ORM, is seen here, too.
    """
    if connection.info.get(_BARE):
        found = _tables().search(statement)
        if found is not None:
            raise OrganizationRequired(found["table"].lower())


@cache
def _tables() -> re.Pattern[str]:
    """Match the name of a table of organisations, unless it is in quotes as a value is."""
    names = [
        mapper.local_table.name  # type: ignore[attr-defined]  # each model has one table
        for mapper in Base.registry.mappers
        if getattr(mapper.class_, "__tenant__", None) is not None
    ]
    return re.compile(rf"(?<![\w'])(?P<table>{'|'.join(sorted(names))})(?![\w'])", re.IGNORECASE)


def _explain(context: ExceptionContext) -> BaseException | None:
    """Return what an error means to whoever knows of organisations, or None to leave it."""
    error = getattr(context, "chained_exception", None)  # what andamios_orm says, if it does
    if isinstance(error, ForeignKeyViolation) and _TO_ORGANIZATION.search(error.constraint or ""):
        return _as(
            OrganizationUnknown,
            context,
            "the organisation of this scope does not exist: make it first, "
            "in a scope with its own key or in system_scope(reason)",
            table=error.table,
            columns=error.columns,
            value=error.value,
            constraint=error.constraint,
        )
    original = context.original_exception
    if getattr(original, "sqlstate", None) != _DENIED:
        return None
    message = str(original).partition("\n")[0]
    not_ours = _NOT_OURS.search(message)
    if not_ours is not None:
        return _as(
            AccessDenied,
            context,
            f"a row of {not_ours['table']} would be of another organisation than the scope is: "
            f"leave org_id out, or open a scope of that organisation",
            table=not_ours["table"],
        )
    named = _TABLE.search(message)
    return _as(AccessDenied, context, message, table=named["table"] if named else None)


def _as(
    kind: type[AccessDenied | OrganizationUnknown],
    context: ExceptionContext,
    message: str,
    **details: Any,
) -> AccessDenied | OrganizationUnknown:
    return kind(message, statement=context.statement, orig=context.original_exception, **details)
