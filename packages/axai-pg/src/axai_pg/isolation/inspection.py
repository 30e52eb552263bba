"""Looks at a live database, ours or not, and lists every hole in its isolation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from axai_pg.isolation import keys, policies, rights, roles
from axai_pg.isolation.catalogue import Catalogue
from axai_pg.isolation.rules import Hole, IsolationRules

if TYPE_CHECKING:
    import psycopg

__all__ = ["inspect_isolation"]

_CHECKS: Final = (
    *policies.CHECKS,
    *keys.CHECKS,
    *rights.CHECKS,
    *roles.CHECKS,
)


def inspect_isolation(
    connection: psycopg.Connection[Any], rules: IsolationRules | None = None
) -> tuple[Hole, ...]:
    """Return every hole that the catalogue shows; none, where organisations are isolated.

    It reads the catalogue only, and leaves nothing. To close what is found, run the statements in
    their order, as the owner of the tables or a superuser, and look again: a key is only begun
    with the organisation when what refers to it is.
    """
    with connection.transaction(force_rollback=True):
        # Names come back with their schema, whatever the login looks in.
        connection.execute("SELECT pg_catalog.set_config('search_path', '', true)")
        catalogue = Catalogue(connection, rules or IsolationRules())
        return tuple(hole for check in _CHECKS for hole in check(catalogue))
