"""Who has logged in, and what that login could do beside what it is asked to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql
from sqlalchemy import text

from andamios_orm.exceptions import ConfigurationError
from axai_pg.exceptions import PrivilegedLogin

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["APP", "OWNER", "SYSTEM", "Login"]

OWNER: Final = "axai_owner"
APP: Final = "axai_app"
SYSTEM: Final = "axai_system"

_KEY: Final = "axai.login"
# From PostgreSQL 16 on, a membership may be one that neither gives rights nor lets act as the
# role: whoever makes a role has such a one, to let others in.
_FOUND: Final = text("""
WITH server AS (
    SELECT CASE WHEN current_setting('server_version_num')::integer >= 160000
        THEN 'SET' ELSE 'MEMBER' END AS may_act
), owners AS (
    SELECT DISTINCT relowner AS oid
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = current_schema() AND relkind IN ('r', 'p') AND EXISTS (
        SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND polname = 'axai_tenant'
    )
), powerful AS (
    SELECT oid FROM pg_roles WHERE rolsuper OR rolbypassrls OR rolname = :owner
    UNION SELECT oid FROM owners
)
SELECT
    login.rolname, login.rolsuper, login.rolbypassrls,
    login.oid IN (SELECT oid FROM owners),
    ARRAY(
        SELECT DISTINCT granted.rolname::text FROM pg_auth_members AS membership
        JOIN pg_roles AS granted ON granted.oid = roleid
        WHERE member = login.oid AND (
            coalesce((to_jsonb(membership)->>'set_option')::boolean, true)
            OR (to_jsonb(membership)->>'inherit_option')::boolean
        ) AND EXISTS (
            SELECT FROM powerful WHERE pg_has_role(granted.oid, powerful.oid, may_act)
            OR pg_has_role(granted.oid, powerful.oid, 'USAGE')
        )
        ORDER BY 1
    ),
    ARRAY(
        SELECT rolname::text FROM pg_roles
        WHERE rolname = ANY(:ours) AND pg_has_role(login.oid, oid, may_act)
    ),
    ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname = ANY(:ours))
FROM server, pg_roles AS login WHERE login.rolname = session_user
""")


@dataclass(frozen=True, slots=True)
class Login:
    """A role that has logged in.

    ``powerful`` are the roles it is a member of that row security does not keep out,
    ``roles`` those of ours that it may act as, ``known`` those of ours that there are.
    """

    name: str
    is_superuser: bool
    bypasses: bool
    owns: bool
    powerful: tuple[str, ...]
    roles: frozenset[str]
    known: frozenset[str]

    @classmethod
    def of(cls, connection: Connection) -> Login:
        """Return who has logged in; each connection is asked once."""
        known: dict[str, Any] = connection.info
        if _KEY not in known:
            row = connection.execute(_FOUND, {"owner": OWNER, "ours": [APP, SYSTEM]}).one()
            name, is_superuser, bypasses, owns, powerful, roles, there = row
            known[_KEY] = cls(
                name,
                is_superuser,
                bypasses,
                owns,
                # A superuser may be everybody, and needs no membership for it.
                () if is_superuser else tuple(powerful),
                frozenset(roles),
                frozenset(there),
            )
        login: Login = known[_KEY]
        return login

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it could see all organisations; empty if it could not."""
        found = ["it is a superuser"] if self.is_superuser else []
        found += ["it has BYPASSRLS"] if self.bypasses and not self.is_superuser else []
        found += ["it owns the tables"] if self.owns else []
        found += [f"it is a member of {role}" for role in self.powerful]
        return tuple(found)

    @property
    def commands(self) -> tuple[str, ...]:
        """The SQL that makes it an ordinary login of a service."""
        name = _quoted(self.name)
        found = []
        if self.is_superuser or self.bypasses:
            found.append(f"ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS")
        if self.owns:
            found.append(f"REASSIGN OWNED BY {name} TO {OWNER}")
        found += [f"REVOKE {_quoted(role)} FROM {name}" for role in self.powerful]
        return (*found, f"GRANT {APP} TO {name}")

    @property
    def advice(self) -> tuple[str, ...]:
        """The commands, or another login where it is the one that nobody can make ordinary."""
        if not self.is_superuser:
            return self.commands
        other = f"CREATE ROLE axai_service LOGIN PASSWORD '…'; GRANT {APP} TO axai_service"
        return (*self.commands, f"or log in as another role: {other}")

    def refuse_if_privileged(self) -> None:
        """Raise unless row security keeps it apart.

        Raises:
            PrivilegedLogin: it does not.
        """
        if self.reasons:
            raise PrivilegedLogin(self.name, self.reasons, self.advice)

    def refuse_unless(self, role: str) -> None:
        """Raise unless it may act as ``role``.

        Raises:
            ConfigurationError: it may not, or there is no such role.
        """
        if role not in self.known:
            raise ConfigurationError(
                f"there is no role {role}: set the database up with DatabaseInitializer, or call "
                f"axai_pg.utils.roles.ensure_roles"
            )
        if role not in self.roles:
            raise ConfigurationError(
                f"the login {self.name} may not act as {role}: GRANT {role} TO {_quoted(self.name)}"
            )


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)
