"""Roles and the server: who row security does not apply to, and whether it does what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, LiteralString

from psycopg import sql

from axai_pg.isolation.catalogue import as_said
from axai_pg.isolation.rules import Hole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axai_pg.isolation.catalogue import Catalogue

__all__ = ["CHECKS", "outdated"]

# Services, and whoever is a member of one: a login that acts as it.
_SERVICES: Final[LiteralString] = """
WITH RECURSIVE service(oid) AS (
    SELECT oid FROM pg_roles WHERE rolname = ANY(%s)
    UNION SELECT member FROM pg_auth_members JOIN service ON roleid = service.oid
)
SELECT oid FROM service
"""
_POWERS: Final[LiteralString] = """
SELECT rolname, power, option FROM pg_roles, LATERAL (VALUES
    (rolsuper, 'is a superuser', 'NOSUPERUSER'),
    (rolbypassrls, 'is exempt from row security', 'NOBYPASSRLS'),
    (rolcreaterole, 'makes roles, and so becomes others', 'NOCREATEROLE'),
    (rolreplication, 'reads all rows by replication', 'NOREPLICATION')
) AS powers(has, power, option) WHERE has AND pg_roles.oid = ANY(%s::oid[]) ORDER BY 1, 2
"""
# Of a role that owns, bypasses, is PostgreSQL's own, or leads to such a one.
_MEMBERSHIPS: Final[LiteralString] = """
WITH RECURSIVE strong(oid) AS (
    SELECT oid FROM pg_roles WHERE rolsuper OR rolbypassrls OR rolcreaterole
        OR starts_with(rolname, 'pg_') OR oid IN (
            SELECT relowner FROM pg_class
            WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
        )
    UNION SELECT member FROM pg_auth_members JOIN strong ON roleid = strong.oid
)
SELECT pg_get_userbyid(roleid), pg_get_userbyid(member) FROM pg_auth_members
WHERE member = ANY(%s::oid[]) AND roleid <> ALL(%s::oid[])
AND roleid IN (SELECT oid FROM strong) ORDER BY 1, 2
"""
_OWNED: Final[LiteralString] = """
SELECT relname, pg_get_userbyid(relowner) FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)
AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relowner = ANY(%s::oid[]) ORDER BY 1
"""
_OLDEST: Final = {15: 14, 16: 10, 17: 6}
"""The first minor versions that repair CVE-2025-8713: statistics show rows behind a policy."""


def _services(catalogue: Catalogue) -> list[int]:
    found = catalogue.rows(_SERVICES, list(catalogue.rules.services))
    return [oid for (oid,) in found]


def powers(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the services that row security does not apply to, or that can make it so."""
    for role, power, option in catalogue.rows(_POWERS, _services(catalogue)):
        statement = catalogue.text("ALTER ROLE {} {};", sql.Identifier(role), as_said(option))
        yield Hole(f"role {role}", power, statement)


def memberships(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the services that may become somebody whom it does not apply to."""
    services = _services(catalogue)
    found = catalogue.rows(_MEMBERSHIPS, catalogue.rules.schema, services, services)
    for role, member in found:
        yield Hole(
            f"role {member}",
            f"it may act as {role}",
            catalogue.text("REVOKE {} FROM {};", sql.Identifier(role), sql.Identifier(member)),
        )


def owners(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the tables that a service owns, so that it can take the policies off."""
    rules = catalogue.rules
    for name, role in catalogue.rows(_OWNED, rules.schema, _services(catalogue)):
        yield Hole(
            f"table {rules.schema}.{name}",
            f"it belongs to {role}, who can take its policies off",
            catalogue.text(
                "ALTER TABLE {} OWNER TO {};",
                sql.Identifier(rules.schema, name),
                sql.Identifier(rules.owner),
            ),
        )


def server(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield that the server is one whose row security is known to leak."""
    [(number,)] = catalogue.rows("SELECT current_setting('server_version_num')::integer")
    yield from outdated(number)


def outdated(number: int) -> Iterator[Hole]:
    """Yield the hole of a server whose ``server_version_num`` is ``number``, if it has one."""
    major, minor = divmod(number, 10_000)
    if major < min(_OLDEST):
        wanted = "15.14"
    elif minor < _OLDEST.get(major, 0):
        wanted = f"{major}.{_OLDEST[major]}"
    else:
        return
    yield Hole(
        "server",
        f"PostgreSQL {major}.{minor} shows rows behind a policy by its statistics",
        f"-- upgrade PostgreSQL to {wanted} or newer",
    )


CHECKS: Final = (powers, memberships, owners, server)
