"""The roles that everything is granted to; they belong to the cluster, not to a database.

======================= =============================================================
``axai_owner``          owns all tables; nobody logs in as it
``axai_migrate``        may become the owner, and so deploy changes
``axai_app``            reads and writes rows of the organisation in context; a service's
                        login is a member of it, or it is given LOGIN itself
``axai_audit_reader``   reads the audit log of the organisation in context
``axai_system``         an operator: reads and writes rows of all organisations
``axai_backup``         reads rows of all organisations
``axai_search``         owns the functions that find documents by an index, nothing else
======================= =============================================================
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import errors, sql
from psycopg.rows import tuple_row

from andamios_orm.exceptions import DatabaseUnavailable
from axai_pg.data.isolation import login as logins

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["APP", "OWNER", "ROLES", "SYSTEM", "ensure_roles", "grant_login", "prepare_database"]

OWNER: Final = logins.OWNER
"""The role that owns all tables."""
APP: Final = logins.APP
"""The role of services."""
SYSTEM: Final = logins.SYSTEM
"""The role of operators."""
ROLES: Final = {
    OWNER: False,
    "axai_migrate": False,
    APP: False,
    "axai_audit_reader": False,
    SYSTEM: True,
    "axai_backup": True,
    "axai_search": True,
}
"""The roles, and which of them row security does not apply to."""

_MEMBERS: Final = (("axai_migrate", OWNER), ("axai_migrate", SYSTEM), (OWNER, "axai_search"))
_ATTEMPTS: Final = 20
_PAUSE: Final = 0.02
_LOCK: Final = 4_711_020_263
_FOUND: Final = """
SELECT rolname, rolbypassrls, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication
FROM pg_roles WHERE rolname = ANY(%s)
"""
_IS_MEMBER: Final = """
SELECT FROM pg_auth_members AS membership
WHERE roleid = to_regrole(%s)::oid AND member = to_regrole(%s)::oid
AND coalesce((to_jsonb(membership)->>'set_option')::boolean, true)
"""
# Where a membership may be one that does not let act as the role, it is said that this one does.
_OPTIONS_SINCE: Final = 160_000
# Somebody else makes the same role, or grants the same membership, at the same time.
_RACES: Final = (errors.DuplicateObject, errors.UniqueViolation, errors.InternalError_)


def ensure_roles(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    """Return the roles that were missing or too powerful, and now are as they should be.

    A role that was given LOGIN keeps it. Several processes may do this at once.

    Raises:
        DatabaseUnavailable: others changed the same roles again and again; ``orig`` is what
            the last attempt met.
        psycopg.errors.InsufficientPrivilege: the login may not make roles.
    """
    attempts = 0
    while True:
        attempts += 1
        try:
            with connection.transaction():
                return tuple(dict.fromkeys(_mend(connection)))
        except _RACES as error:
            if attempts == _ATTEMPTS:
                raise DatabaseUnavailable(
                    f"other processes keep changing the roles of axai: try again ({error})",
                    orig=error,
                ) from error
            time.sleep(_PAUSE)


def _mend(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """Make what is missing, one statement each; yield the role it is about."""
    found = {
        name: (bypasses, powerful)
        for name, bypasses, powerful in connection.cursor(row_factory=tuple_row).execute(
            _FOUND, [list(ROLES)]
        )
    }
    for name, bypasses in ROLES.items():
        option = sql.SQL("BYPASSRLS" if bypasses else "NOBYPASSRLS")
        role = sql.Identifier(name)
        if name not in found:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN {}").format(role, option))
            yield name
        elif found[name] != (bypasses, False):
            connection.execute(
                sql.SQL(
                    "ALTER ROLE {} NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION {}"
                ).format(role, option)
            )
            yield name
    for member, role_name in _MEMBERS:
        if connection.execute(_IS_MEMBER, [role_name, member]).fetchone() is None:
            connection.execute(_grant(connection, role_name, member))
            yield member


def _grant(connection: psycopg.Connection[Any], role: str, member: str) -> sql.Composed:
    """Return what lets ``member`` act as ``role``."""
    has_options = connection.info.server_version >= _OPTIONS_SINCE
    options = sql.SQL(" WITH INHERIT TRUE, SET TRUE" if has_options else "")
    grant = sql.SQL("GRANT {} TO {}{}")
    return grant.format(sql.Identifier(role), sql.Identifier(member), options)


def prepare_database(connection: psycopg.Connection[Any], schema: str = "public") -> None:
    """Give the roles what they need in the database that ``connection`` is connected to.

    Nobody but the owner may make anything in ``schema``, and nobody may make temporary
    tables, which could stand in the way of the real ones.
    """
    database, place = sql.Identifier(connection.info.dbname), sql.Identifier(schema)
    everybody = sql.SQL(", ").join(map(sql.Identifier, ROLES))
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        for statement in (
            "CREATE SCHEMA IF NOT EXISTS {place}",
            "REVOKE CREATE ON SCHEMA {place} FROM PUBLIC",
            "GRANT USAGE ON SCHEMA {place} TO {everybody}",
            "GRANT CREATE ON SCHEMA {place} TO axai_owner WITH GRANT OPTION",
            "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
            "GRANT CONNECT ON DATABASE {database} TO {everybody}",
            "GRANT CREATE ON DATABASE {database} TO axai_owner, axai_migrate",
        ):
            connection.execute(
                sql.SQL(statement).format(database=database, place=place, everybody=everybody)
            )


def grant_login(connection: psycopg.Connection[Any], login: str, role: str = APP) -> None:
    """Let ``login``, an existing role, act as ``role``.

    Raises:
        ValueError: ``role`` is none of ours.
    """
    if role not in ROLES:
        raise ValueError(f"{role!r} is no role of axai: choose one of {', '.join(ROLES)}")
    connection.execute(_grant(connection, role, login))
