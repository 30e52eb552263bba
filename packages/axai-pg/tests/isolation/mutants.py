"""Everything that can be broken in a schema, one statement each, read from the catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, LiteralString

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

__all__ = ["EQUIVALENT", "Mutant", "mutants"]

_HERE: Final = "relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
_POLICIES: Final[LiteralString] = """
SELECT quote_ident(polname), polrelid::regclass::text, polpermissive,
    CASE polcmd WHEN '*' THEN 'ALL' WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT'
        WHEN 'w' THEN 'UPDATE' ELSE 'DELETE' END,
    (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE role::regrole::text END, ', ')
     FROM unnest(polroles) AS role),
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
WHERE relnamespace = 'public'::regnamespace ORDER BY 2, 1
"""
_GRANTS: Final[LiteralString] = """
SELECT what, privilege, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END FROM (
    SELECT 'TABLE ' || pg_class.oid::regclass AS what, privilege_type AS privilege, grantee,
        relowner AS owner
    FROM pg_class, aclexplode(relacl) WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT attrelid::regclass || '', format('%s (%I)', privilege_type, attname), grantee, relowner
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid, aclexplode(attacl)
    WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT CASE prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END
        || function.oid::regprocedure, privilege_type, grantee, proowner
    FROM pg_proc AS function, aclexplode(proacl) WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT 'SCHEMA public', privilege_type, grantee, nspowner
    FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'public'
) AS granted
WHERE grantee <> owner ORDER BY 1, 2, 3
"""
_CONSTRAINTS: Final[LiteralString] = """
SELECT conrelid::regclass::text, quote_ident(conname), contype::text,
    pg_get_constraintdef(oid), confrelid::regclass::text
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f')
ORDER BY 1, 2
"""
_INDEXES: Final[LiteralString] = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisunique FROM pg_index
JOIN pg_class ON pg_class.oid = indrelid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT EXISTS (
    SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x')
) ORDER BY 1
"""
_FUNCTIONS: Final[LiteralString] = """
SELECT CASE prokind WHEN 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END || function.oid::regprocedure,
    prosecdef, proconfig IS NOT NULL, lanname,
    coalesce(pg_get_function_result(function.oid), 'procedure'), pg_get_functiondef(function.oid)
FROM pg_proc AS function JOIN pg_language ON pg_language.oid = prolang
WHERE pronamespace = 'public'::regnamespace AND NOT EXISTS (
    SELECT FROM pg_depend WHERE objid = function.oid AND deptype = 'e'
) ORDER BY 1
"""
_TRIGGERS: Final[LiteralString] = """
SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger
JOIN pg_class ON pg_class.oid = tgrelid
WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal ORDER BY 1, 2
"""
_VIEWS: Final[LiteralString] = """
SELECT oid::regclass::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'
"""
_ROLES: Final[LiteralString] = """
SELECT rolname, rolbypassrls FROM pg_roles WHERE rolname IN (
    'axai_owner', 'axai_migrate', 'axai_app', 'axai_audit_reader', 'axai_system', 'axai_backup',
    'axai_search'
) ORDER BY 1
"""
_MEMBERS: Final[LiteralString] = """
SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members
WHERE member IN (SELECT oid FROM pg_roles WHERE rolname LIKE 'axai\\_%') ORDER BY 1, 2
"""
_OWN: Final = re.compile(r"\(org_id, ")
_CONTEXT: Final = re.compile(r"(?<!:)= nullif\(current_setting\('axai\.org_id', true\), ''\)::uuid")
_BODY: Final = re.compile(r"AS \$(?P<tag>\w+)\$.*\$(?P=tag)\$|RETURN .*\Z", re.DOTALL)
WEAK: Final = ("axai_app", "axai_audit_reader", "PUBLIC")
STRONG: Final = ("axai_owner", "axai_migrate", "axai_system", "axai_backup", "pg_read_all_data",
                 "pg_write_all_data", "pg_execute_server_program", "pg_monitor")  # fmt: skip
PRIVILEGES: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
NEVER: Final = {"TRUNCATE", "REFERENCES", "TRIGGER"}


@dataclass(frozen=True, order=True)
class Mutant:
    """A statement that breaks one thing; ``hole`` where the inspection has to list it."""

    statement: str
    hole: bool = False


EQUIVALENT: Final = {
    r"REVOKE USAGE ON SCHEMA public FROM \w+": "everybody has it",
}
"""Mutants that break nothing, as regular expressions, and why."""


def mutants(connection: psycopg.Connection[Any]) -> list[Mutant]:
    """Return all mutants of the schema that ``connection`` is connected to."""
    makers = (_policies, _tables, _revoked, _granted, _constraints, _indexes, _functions,
              _triggers, _views, _roles)  # fmt: skip
    return sorted({mutant for maker in makers for mutant in maker(connection)})


def _policies(connection: psycopg.Connection[Any]) -> Iterator[Mutant]:
    for name, table, permissive, verb, roles, using, check in connection.execute(_POLICIES):
        hole = not permissive
        drop = f"DROP POLICY {name} ON {table}"
        ends = [f" USING ({using})" if using else "", f" WITH CHECK ({check})" if check else ""]
        kind = "RESTRICTIVE" if permissive else "PERMISSIVE"
        yield Mutant(drop, hole)
        made = f"{drop}; CREATE POLICY {name} ON {table} AS"
        yield Mutant(f"{made} {kind} FOR {verb} TO {roles}{''.join(ends)}", hole)
        if using not in {None, "true"}:
            yield Mutant(f"ALTER POLICY {name} ON {table} USING (true)", hole)
        if check not in {None, "true"}:
            yield Mutant(f"ALTER POLICY {name} ON {table} WITH CHECK (true)", hole)
        if check is not None and using is not None and check != using:
            kind = "PERMISSIVE" if permissive else "RESTRICTIVE"
            yield Mutant(f"{made} {kind} FOR {verb} TO {roles}{ends[0]}")
        if not permissive:
            yield Mutant(f"ALTER POLICY {name} ON {table} TO axai_app", hole)


def _tables(connection: psycopg.Connection[Any]) -> Iterator[Mutant]:
    for (table,) in connection.execute(f"SELECT oid::regclass::text FROM pg_class WHERE {_HERE}"):
        for clause in ("DISABLE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY",
                       "OWNER TO axai_app"):  # fmt: skip
            yield Mutant(f"ALTER TABLE {table} {clause}", hole=True)


def _revoked(connection: psycopg.Connection[Any]) -> Iterator[Mutant]:
    for what, privilege, grantee in connection.execute(_GRANTS):
        yield Mutant(f"REVOKE {privilege} ON {what} FROM {grantee}")


def _granted(connection: psycopg.Connection[Any]) -> Iterator[Mutant]:
    held = set(connection.execute(_GRANTS).fetchall())
    for (table,) in connection.execute(f"SELECT oid::regclass::text FROM pg_class WHERE {_HERE}"):
        for privilege in PRIVILEGES:
            for role in WEAK:
                if (f"TABLE {table}", privilege, role) not in held:
                    hole = role == "PUBLIC" or privilege in NEVER
                    yield Mutant(f"GRANT {privilege} ON TABLE {table} TO {role}", hole)
    for what, definer, *_ in connection.execute(_FUNCTIONS).fetchall():
        for role in WEAK:
            if (what, "EXECUTE", role) not in held:
                hole = definer and role == "PUBLIC"
                yield Mutant(f"GRANT EXECUTE ON {what} TO {role}", hole)
    for role in WEAK:
        yield Mutant(f"GRANT CREATE ON SCHEMA public TO {role}", hole=True)
        yield Mutant(f"GRANT TEMPORARY ON DATABASE {connection.info.dbname} TO {role}", hole=True)
        yield Mutant(f"GRANT SET ON PARAMETER session_replication_role TO {role}", hole=True)
        yield Mutant(
            f"ALTER DEFAULT PRIVILEGES FOR ROLE axai_owner GRANT SELECT ON TABLES TO {role}",
            hole=True,
        )


def _constraints(connection: psycopg.Connection[Any]) -> Iterator[Mutant]:
    for table, name, kind, definition, parent in connection.execute(_CONSTRAINTS):
        drop = f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE"
        yield Mutant(drop)
        other = _OWN.sub("(", definition)
        if other != definition:
            needed = f"ALTER TABLE {parent} ADD UNIQUE (id); " if kind == "f" else ""
            yield Mutant(
                f"{needed}{drop}; ALTER TABLE {table} ADD CONSTRAINT {name} {other}", hole=True
            )


def _indexes(connection: psycopg.Connection[Any]) -> Iterator[Mutant]:
    for name, definition, unique in connection.execute(_INDEXES):
        if unique:
            yield Mutant(f"DROP INDEX {name}")
        other = _OWN.sub("(", definition)
        if other != definition:
            yield Mutant(f"DROP INDEX {name}; {other}", hole=True)


def _functions(connection: psycopg.Connection[Any]) -> Iterator[Mutant]:
    for what, definer, pinned, language, result, definition in connection.execute(_FUNCTIONS):
        if pinned:
            yield Mutant(f"ALTER {what} RESET search_path", hole=definer)
        yield Mutant(
            f"ALTER {what} SECURITY {'INVOKER' if definer else 'DEFINER'}",
            hole=not definer and not pinned,
        )
        if definer:
            yield Mutant(f"ALTER {what} OWNER TO CURRENT_USER", hole=True)
        yield Mutant(_BODY.sub(lambda _: _empty(language, result), definition))  # noqa: B023
        if _CONTEXT.search(definition):
            yield Mutant(_CONTEXT.sub("IS NOT NULL", definition))


def _empty(language: str, result: str) -> str:
    """Return a body that does nothing."""
    if language == "plpgsql":
        value = {"trigger": "coalesce(NEW, OLD)", "bigint": "0"}.get(result)
        return f"AS $$ BEGIN {f'RETURN {value};' if value else ''} END $$"
    if result.startswith("TABLE"):
        columns = result.removeprefix("TABLE(").removesuffix(")").split(", ")
        nothing = ", ".join(f"NULL::{column.partition(' ')[2]}" for column in columns)
        return f"AS $$ SELECT {nothing} WHERE false $$"
    if result.startswith("SETOF"):
        return f"AS $$ SELECT NULL::{result.removeprefix('SETOF ')} WHERE false $$"
    return "AS $$ SELECT $$" if result == "void" else f"AS $$ SELECT NULL::{result} $$"


def _triggers(connection: psycopg.Connection[Any]) -> Iterator[Mutant]:
    triggers = connection.execute(_TRIGGERS).fetchall()
    for table in {table for table, _ in triggers}:
        yield Mutant(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
    for table, name in triggers:
        yield Mutant(f"ALTER TABLE {table} DISABLE TRIGGER {name}")


def _views(connection: psycopg.Connection[Any]) -> Iterator[Mutant]:
    for (view,) in connection.execute(_VIEWS):
        yield Mutant(f"ALTER VIEW {view} RESET (security_invoker)", hole=True)


def _roles(connection: psycopg.Connection[Any]) -> Iterator[Mutant]:
    services = ("axai_app", "axai_audit_reader")
    for role, bypasses in connection.execute(_ROLES).fetchall():
        option = "NOBYPASSRLS" if bypasses else "BYPASSRLS"
        yield Mutant(f"ALTER ROLE {role} {option}", hole=role in services)
        for power in ("SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION"):
            yield Mutant(
                f"ALTER ROLE {role} {power}", hole=role in services and power != "CREATEDB"
            )
    members = connection.execute(_MEMBERS).fetchall()
    for role, member in members:
        yield Mutant(f"REVOKE {role} FROM {member}")
    for member in services:
        for role in STRONG:
            yield Mutant(f"GRANT {role} TO {member}", hole=True)
