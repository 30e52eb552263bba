"""Rights: on tables, on what is reached through views and functions, and on what comes later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import sql

from axai_pg.isolation.catalogue import as_said
from axai_pg.isolation.rules import Hole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from axai_pg.isolation.catalogue import Catalogue

__all__ = ["CHECKS"]

_VIEWS: Final[LiteralString] = """
SELECT relname FROM pg_class WHERE pg_class.oid = %s AND NOT coalesce((
    SELECT option_value::boolean FROM pg_options_to_table(reloptions)
    WHERE option_name = 'security_invoker'
), false)
"""
_GRANTS: Final[LiteralString] = """
SELECT privilege_type, grantee, attname FROM (
    SELECT (aclexplode(relacl)).*, NULL AS attname, relowner AS owner
    FROM pg_class WHERE pg_class.oid = %s
    UNION ALL
    SELECT (aclexplode(attacl)).*, attname, relowner
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE attrelid = %s
) AS granted WHERE grantee <> owner ORDER BY 1, 2
"""
_ROLE: Final[LiteralString] = "SELECT CASE %s::oid WHEN 0 THEN NULL ELSE pg_get_userbyid(%s) END"
# Those of the schema, and those elsewhere that a service may call.
_FUNCTIONS: Final[LiteralString] = """
SELECT nspname, function.oid::regprocedure::text, rolsuper, rolbypassrls, public, coalesce((
    SELECT substr(setting, 13) FROM unnest(proconfig) AS setting
    WHERE starts_with(setting, 'search_path=')
), '')
FROM pg_proc AS function JOIN pg_roles ON pg_roles.oid = proowner
JOIN pg_namespace ON pg_namespace.oid = pronamespace, LATERAL (SELECT EXISTS (
    SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0
) AS public) AS granted
WHERE prosecdef AND NOT starts_with(nspname, 'pg_') AND nspname <> 'information_schema'
AND (nspname = %s OR public OR EXISTS (
    SELECT FROM unnest(%s::oid[]) AS service
    WHERE has_function_privilege(service, function.oid, 'EXECUTE')
))
AND NOT EXISTS (
    SELECT FROM pg_depend
    WHERE classid = 'pg_proc'::regclass AND objid = function.oid AND deptype = 'e'
)
ORDER BY nspname <> %s, 2
"""
_SCHEMA: Final[LiteralString] = """
SELECT grantee FROM pg_namespace, aclexplode(nspacl)
WHERE nspname = %s AND privilege_type = 'CREATE' AND grantee <> nspowner
AND grantee NOT IN (
    SELECT relowner FROM pg_class WHERE relnamespace = pg_namespace.oid
) AND grantee <> coalesce((SELECT oid FROM pg_roles WHERE rolname = %s), 0)
"""
_DATABASE: Final[LiteralString] = """
SELECT privilege_type, grantee FROM pg_database,
    aclexplode(coalesce(datacl, acldefault('d', datdba)))
WHERE datname = current_database() AND privilege_type IN ('CREATE', 'TEMPORARY')
AND (grantee = 0 OR pg_get_userbyid(grantee) = ANY(%s)) ORDER BY 1, 2
"""
_DEFAULTS: Final[LiteralString] = """
SELECT pg_get_userbyid(defaclrole), (SELECT nspname FROM pg_namespace WHERE oid = defaclnamespace),
    defaclobjtype::text, grantee
FROM pg_default_acl, aclexplode(defaclacl) WHERE grantee <> defaclrole
AND defaclnamespace IN (0, (SELECT oid FROM pg_namespace WHERE nspname = %s))
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_PARAMETERS: Final[LiteralString] = """
SELECT parname, privilege_type, grantee FROM pg_parameter_acl, aclexplode(paracl)
WHERE grantee = 0 OR pg_get_userbyid(grantee) = ANY(%s) ORDER BY 1, 2, 3
"""
_KINDS: Final[dict[str, LiteralString]] = {
    "r": "TABLES",
    "S": "SEQUENCES",
    "f": "FUNCTIONS",
    "T": "TYPES",
    "n": "SCHEMAS",
    "L": "LARGE OBJECTS",
}
_NEVER: Final = frozenset({"TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"})
_TELLING: Final = frozenset({"SELECT", "UPDATE"})


def views(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the views that show what their owner sees, and copies that no policy is on."""
    for view in catalogue.relations:
        where = f"view {view.schema}.{view.name}"
        if view.kind == "v" and catalogue.rows(_VIEWS, view.oid):
            statement = "ALTER VIEW {} SET (security_invoker = true);"
            why = "it shows what its owner sees"
            yield Hole(where, why, catalogue.text(statement, view.path))
        if view.kind in {"m", "f"}:
            for grantee in sorted({role for _, role, _ in _grants(catalogue, view.oid)}):
                statement = "REVOKE ALL ON {} FROM {};"
                why = "no policy can be on a materialised view or a foreign table"
                yield Hole(
                    where, why, catalogue.text(statement, view.path, _role(catalogue, grantee))
                )


def grants(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield what goes around the policies, or is for everybody."""
    for relation in catalogue.relations:
        for privilege, grantee, column in _grants(catalogue, relation.oid):
            if relation.kind == "S":
                wrong = privilege in _TELLING
            else:
                wrong = privilege in _NEVER or grantee == 0
            if wrong and relation.kind not in {"m", "f"}:
                yield Hole(
                    f"table {relation.schema}.{relation.name}",
                    f"{_spoken(catalogue, grantee)} has {privilege}",
                    catalogue.text(
                        "REVOKE {}{} ON {} FROM {};",
                        as_said(privilege),
                        sql.SQL(" ({})").format(sql.Identifier(column)) if column else sql.SQL(""),
                        relation.path,
                        _role(catalogue, grantee),
                    ),
                )


def _grants(catalogue: Catalogue, oid: int) -> list[tuple[Any, ...]]:
    return catalogue.rows(_GRANTS, oid, oid)


def functions(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield the functions of other roles that can be misled, or called by everybody."""
    rules = catalogue.rules
    here = f"{_quoted(catalogue, rules.schema)}."
    reviewed = rules.reviewed_functions | {here + each for each in rules.reviewed_functions}
    rows = catalogue.rows(_FUNCTIONS, rules.schema, catalogue.services(), rules.schema)
    for schema, signature, superuser, bypasses, public, path in rows:
        routine = as_said(signature)
        where = f"function {signature}"
        if not path.replace(" ", "").replace('"', "").endswith(",pg_temp"):
            yield Hole(
                where,
                "it looks for tables where its caller puts them",
                catalogue.text(
                    "ALTER ROUTINE {} SET search_path = {}, pg_temp;",
                    routine,
                    sql.Identifier(schema),
                ),
            )
        if public:
            statement = "REVOKE EXECUTE ON ROUTINE {} FROM PUBLIC;"
            yield Hole(where, "everybody acts as its owner", catalogue.text(statement, routine))
        if superuser:
            owner = sql.Identifier(rules.owner)
            yield Hole(
                where,
                "its callers act as a superuser",
                catalogue.text("ALTER ROUTINE {} OWNER TO {};", routine, owner),
            )
        elif bypasses and signature not in reviewed:
            yield Hole(
                where,
                "its callers act as a role that no policy applies to",
                catalogue.text("ALTER ROUTINE {} SECURITY INVOKER;", routine),
            )


def elsewhere(catalogue: Catalogue) -> Iterator[Hole]:
    """Yield who can make objects that stand in the way, and what is granted on new ones."""
    rules = catalogue.rules
    services = list(rules.services)
    schema = sql.Identifier(rules.schema)
    for (grantee,) in catalogue.rows(_SCHEMA, rules.schema, rules.owner):
        yield Hole(
            f"schema {rules.schema}",
            f"{_spoken(catalogue, grantee)} makes objects in it",
            catalogue.text(
                "REVOKE CREATE ON SCHEMA {} FROM {};", schema, _role(catalogue, grantee)
            ),
        )
    [(database,)] = catalogue.rows("SELECT current_database()")
    for privilege, grantee in catalogue.rows(_DATABASE, services):
        yield Hole(
            f"database {database}",
            f"{_spoken(catalogue, grantee)} has {privilege}",
            catalogue.text(
                "REVOKE {} ON DATABASE {} FROM {};",
                as_said(privilege),
                sql.Identifier(database),
                _role(catalogue, grantee),
            ),
        )
    for role, place, kind, grantee in catalogue.rows(_DEFAULTS, rules.schema):
        where = sql.SQL("IN SCHEMA {} ").format(schema) if place else sql.SQL("")
        yield Hole(
            f"new {_KINDS[kind].lower()} of {role}",
            f"{_spoken(catalogue, grantee)} gets rights on them",
            catalogue.text(
                "ALTER DEFAULT PRIVILEGES FOR ROLE {} {}REVOKE ALL ON {} FROM {};",
                sql.Identifier(role),
                where,
                sql.SQL(_KINDS[kind]),
                _role(catalogue, grantee),
            ),
        )
    for parameter, privilege, grantee in catalogue.rows(_PARAMETERS, services):
        yield Hole(
            f"parameter {parameter}",
            f"{_spoken(catalogue, grantee)} has {privilege}",
            catalogue.text(
                "REVOKE {} ON PARAMETER {} FROM {};",
                as_said(privilege),
                as_said(parameter),
                _role(catalogue, grantee),
            ),
        )


def _quoted(catalogue: Catalogue, name: str) -> str:
    """Return a name as PostgreSQL itself writes it, in quotes only where it needs them."""
    [(quoted,)] = catalogue.rows("SELECT quote_ident(%s)", name)
    return str(quoted)


def _role(catalogue: Catalogue, oid: int) -> sql.Composable:
    [(name,)] = catalogue.rows(_ROLE, oid, oid)
    return sql.SQL("PUBLIC") if name is None else sql.Identifier(name)


def _spoken(catalogue: Catalogue, oid: int) -> str:
    [(name,)] = catalogue.rows(_ROLE, oid, oid)
    return "everybody" if name is None else str(name)


CHECKS: Final = (views, grants, functions, elsewhere)
