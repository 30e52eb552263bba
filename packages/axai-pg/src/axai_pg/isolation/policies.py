"""Row security: on each table, for everybody, by a policy that no other one can open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import sql

from axai_pg.isolation.rules import Hole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axai_pg.isolation.catalogue import Catalogue, Column, Relation

__all__ = ["CHECKS"]

_POLICIES: Final[LiteralString] = """
SELECT polname, polpermissive, polcmd::text, polroles::oid[],
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
FROM pg_policy WHERE polrelid = %s
"""
_OWNER_APPENDS: Final[LiteralString] = """
SELECT FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
WHERE polrelid = %s AND polpermissive AND polcmd = 'a' AND relowner = ANY(polroles)
"""
_GRANTED: Final[LiteralString] = """
SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END
FROM pg_class, aclexplode(relacl) WHERE pg_class.oid = %s AND grantee <> relowner ORDER BY 1
"""
# What PostgreSQL adds to an expression or leaves out, and what says nothing in a comparison.
_NOISE: Final = re.compile(r"AS \"[^\"]*\"|::[a-z_ ]+|SELECT|[\s()\"]")


def row_security(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the tables whose policies are not asked, or not for their owner."""
    for table in catalogue.tables:
        for is_on, clause, why in (
            (table.secured, sql.SQL("ENABLE"), "no row security: every row is shown"),
            (table.forced, sql.SQL("FORCE"), "row security does not apply to the owner"),
        ):
            if not is_on:
                statement = "ALTER TABLE {} {} ROW LEVEL SECURITY;"
                yield Hole(_name(table), why, catalogue.text(statement, table.path, clause))


def tenant_policies(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the tables without a restrictive policy, for everybody, by the organisation."""
    for table in catalogue.tables:
        found = catalogue.rows(_POLICIES, table.oid)
        if not table.is_owned:
            yield from _of_nobody(catalogue, table, restricted=any(map(_restricts, found)))
        elif not any(
            not permissive
            and command == "*"
            and list(roles) == [0]
            and _is_tenant(catalogue, table, using)
            and (check is None or _is_tenant(catalogue, table, check, may_append=True))
            for _, permissive, command, roles, using, check in found
        ):
            names = {row[0] for row in found}
            yield Hole(
                _name(table),
                "no restrictive policy for everybody compares the organisation",
                _policy(catalogue, table, replace=catalogue.rules.policy in names),
            )


def _restricts(policy: tuple[Any, ...]) -> bool:
    """Return whether a policy keeps anything from anybody."""
    _, permissive, command, roles, using, check = policy
    whole = not permissive and command == "*" and list(roles) == [0]
    return whole and using not in {None, "true"} and check != "true"


def _of_nobody(catalogue: Catalogue, table: Relation, *, restricted: bool) -> Iterator[Hole]:
    granted = [role for (role,) in catalogue.rows(_GRANTED, table.oid)]
    if granted and not (catalogue.is_shared(table) and restricted):
        yield Hole(
            _name(table),
            "nothing says whose a row is, and it is granted",
            catalogue.text("REVOKE ALL ON {} FROM {};", table.path, _roles(granted)),
        )


def _is_tenant(
    catalogue: Catalogue, table: Relation, expression: str | None, *, may_append: bool = False
) -> bool:
    """Return whether an expression is true for rows of the organisation in context alone.

    The owner may append to any where it is said: triggers that act as the owner need it.
    """
    if expression == "false":
        return True
    column = sql.Identifier(table.tenant.name)
    setting, owner = sql.Literal(catalogue.rules.setting), sql.Literal(table.owner)
    context = catalogue.text("current_setting({}", setting)
    values = (f"{context})", f"{context}, true)", f"NULLIF({context}, true), '')")
    endings = ("", catalogue.text(" OR CURRENT_USER = {}", owner)) if may_append else ("",)
    wanted = {
        _plain(catalogue.text("{} = ", column) + value + ending)
        for value in values
        for ending in endings
    }
    return _plain(expression or "") in wanted


def _plain(expression: str) -> str:
    return _NOISE.sub("", expression)


def _policy(catalogue: Catalogue, table: Relation, *, replace: bool) -> str:
    rules, tenant = catalogue.rules, table.tenant
    name = sql.Identifier(rules.policy)
    condition = sql.SQL("{} = (SELECT nullif(current_setting({}, true), '')::{})").format(
        sql.Identifier(tenant.name), sql.Literal(rules.setting), sql.SQL(_kind(tenant))
    )
    check = condition
    if catalogue.rows(_OWNER_APPENDS, table.oid):
        owner = sql.Literal(table.owner)
        check = sql.SQL("{} OR current_user = {}").format(condition, owner)
    drop = sql.SQL("DROP POLICY {} ON {};\n").format(name, table.path) if replace else sql.SQL("")
    return catalogue.text(
        "{}CREATE POLICY {} ON {} AS RESTRICTIVE TO PUBLIC\nUSING ({})\nWITH CHECK ({});",
        drop,
        name,
        table.path,
        condition,
        check,
    )


def _kind(tenant: Column) -> LiteralString:
    """Return the type to cast the context to; any but these is compared as text."""
    kinds: dict[str, LiteralString] = {
        "uuid": "uuid",
        "integer": "integer",
        "bigint": "bigint",
        "smallint": "smallint",
    }
    return kinds.get(tenant.kind, "text")


def tenants_that_may_be_null(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the tables with rows of nobody, whose composite keys then are not checked."""
    for table in catalogue.tables:
        tenant = table.tenant
        if not table.is_owned or tenant.never_null or table.name in catalogue.rules.shared_keys:
            continue
        yield Hole(
            _name(table),
            f"{tenant.name} may be NULL: keys with it are not checked",
            catalogue.text(
                "ALTER TABLE {} ALTER COLUMN {} SET NOT NULL;",
                table.path,
                sql.Identifier(tenant.name),
            ),
        )


def _name(table: Relation) -> str:
    return f"table {table.schema}.{table.name}"


def _roles(names: list[str]) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.SQL("PUBLIC") if name == "PUBLIC" else sql.Identifier(name) for name in names
    )


CHECKS: Final = (row_security, tenant_policies, tenants_that_may_be_null)
