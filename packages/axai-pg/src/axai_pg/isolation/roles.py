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

_POWERS: Final[LiteralString] = """
SELECT rolname, power, option FROM pg_roles, LATERAL (VALUES
    (rolsuper, 'is a superuser', 'NOSUPERUSER'),
    (rolbypassrls, 'is exempt from row security', 'NOBYPASSRLS'),
    (rolcreaterole, 'makes roles, and so becomes others', 'NOCREATEROLE'),
    (rolreplication, 'reads all rows by replication', 'NOREPLICATION')
) AS powers(has, power, option) WHERE has AND pg_roles.oid = ANY(%s::oid[]) ORDER BY 1, 2
"""
# Of a role that owns, bypasses, is PostgreSQL's own, or leads to such a one. Whoever may let
# others in may let in himself.
_MEMBERSHIPS: Final[LiteralString] = """
WITH RECURSIVE strong(oid) AS (
    SELECT oid FROM pg_roles WHERE rolsuper OR rolbypassrls OR rolcreaterole
        OR starts_with(rolname, 'pg_') OR oid IN (
            SELECT relowner FROM pg_class WHERE pg_class.oid = ANY(%s)
        )
    UNION SELECT member FROM pg_auth_members JOIN strong ON roleid = strong.oid
)
SELECT DISTINCT pg_get_userbyid(roleid), pg_get_userbyid(member) FROM pg_auth_members
WHERE member = ANY(%s::oid[]) AND roleid <> ALL(%s::oid[])
AND roleid IN (SELECT oid FROM strong) ORDER BY 1, 2
"""
_OWNED: Final[LiteralString] = """
SELECT pg_class.oid FROM pg_class
WHERE pg_class.oid = ANY(%s) AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relowner = ANY(%s::oid[])
"""
_OLDEST: Final = {15: 14, 16: 10, 17: 6}
"""The first minor versions that repair CVE-2025-8713: statistics show rows behind a policy."""


def powers(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the services that row security does not apply to, or that can make it so."""
    for role, power, option in catalogue.rows(_POWERS, catalogue.services()):
        statement = catalogue.text("ALTER ROLE {} {};", sql.Identifier(role), as_said(option))
        yield Hole(f"role {role}", power, statement)


def memberships(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the services that may become somebody whom it does not apply to."""
    services = catalogue.services()
    relations = [relation.oid for relation in catalogue.relations]
    found = catalogue.rows(_MEMBERSHIPS, relations, services, services)
    for role, member in found:
        yield Hole(
            f"role {member}",
            f"it may act as {role}",
            catalogue.text("REVOKE {} FROM {};", sql.Identifier(role), sql.Identifier(member)),
        )


def owners(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the tables that a service owns, so that it can take the policies off."""
    relations = {relation.oid: relation for relation in catalogue.relations}
    owned = {oid for (oid,) in catalogue.rows(_OWNED, list(relations), catalogue.services())}
    for oid, relation in relations.items():
        if oid in owned:
            yield Hole(
                f"table {relation.schema}.{relation.name}",
                f"it belongs to {relation.owner}, who can take its policies off",
                catalogue.text(
                    "ALTER TABLE {} OWNER TO {};",
                    relation.path,
                    sql.Identifier(catalogue.rules.owner),
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
