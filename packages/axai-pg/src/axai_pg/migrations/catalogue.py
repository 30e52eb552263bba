"""What a schema consists of, read from the catalogue, as statements that make it again.

The same schema gives the same text on every version of PostgreSQL, however it was made, so
two databases can be compared, and a database with what the changes say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import sql
from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

__all__ = ["describe"]

_HEAD: Final = """\
-- What the changes in axai_pg/migrations build, read from the catalogue: do not edit.
-- It needs the roles of axai_pg.utils.roles, and an empty schema that comes first in search_path.

BEGIN;
SET LOCAL ROLE axai_owner;
SET LOCAL check_function_bodies = off;
DO $$ BEGIN
    PERFORM set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);
END $$;
CREATE EXTENSION IF NOT EXISTS btree_gin;
"""
_FUNCTIONS: Final[LiteralString] = """
SELECT pg_get_functiondef(function.oid), function.oid::regprocedure::text,
    CASE prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
    coalesce(proacl, acldefault('f', proowner))::text[], pg_get_userbyid(proowner)
FROM pg_proc AS function
WHERE pronamespace = %(schema)s::regnamespace AND prokind IN ('f', 'p') AND NOT EXISTS (
    SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = function.oid
    AND deptype = 'e'
)
ORDER BY 2
"""
_TABLES: Final[LiteralString] = """
SELECT oid, quote_ident(relname), relkind, relrowsecurity, relforcerowsecurity,
    pg_get_userbyid(relowner), coalesce(relacl, acldefault('r', relowner))::text[],
    pg_get_viewdef(oid, true), reloptions
FROM pg_class AS relation
WHERE relnamespace = %(schema)s::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
AND NOT EXISTS (
    SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = relation.oid
    AND deptype IN ('e', 'i', 'a')
)
ORDER BY relname
"""
_COLUMNS: Final[LiteralString] = """
SELECT quote_ident(attname) || ' ' || format_type(atttypid, atttypmod)
    || CASE WHEN attgenerated = 's' THEN ' GENERATED ALWAYS AS ('
        || pg_get_expr(adbin, adrelid) || ') STORED'
        ELSE coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '') END
    || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = %(table)s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_CONSTRAINTS: Final[LiteralString] = """
SELECT quote_ident(conname) || ' ' || pg_get_constraintdef(oid, true), contype = 'f'
FROM pg_constraint WHERE conrelid = %(table)s AND contype IN ('p', 'u', 'c', 'f', 'x')
ORDER BY contype = 'p' DESC, conname
"""
_INDEXES: Final[LiteralString] = """
SELECT pg_get_indexdef(indexrelid, 0, true) FROM pg_index
WHERE indrelid = %(table)s AND NOT EXISTS (
    SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x')
)
ORDER BY 1
"""
_COLUMN_GRANTS: Final[LiteralString] = """
SELECT format(
    'GRANT %%s (%%s) ON %%s TO %%s', privilege_type,
    string_agg(quote_ident(attname), ', ' ORDER BY attnum), %(name)s::text,
    CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END
)
FROM pg_attribute, aclexplode(attacl) WHERE attrelid = %(table)s AND attnum > 0
GROUP BY privilege_type, grantee ORDER BY 1
"""
_TRIGGERS: Final[LiteralString] = """
SELECT pg_get_triggerdef(oid, true)
    || CASE tgenabled WHEN 'O' THEN '' ELSE E';\n-- enabled: ' || tgenabled::text END
FROM pg_trigger WHERE tgrelid = %(table)s AND NOT tgisinternal ORDER BY tgname
"""
_POLICIES: Final[LiteralString] = """
SELECT format(
    'CREATE POLICY %%I ON %%s AS %%s FOR %%s TO %%s%%s%%s', polname, %(name)s::text,
    CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
    CASE polcmd WHEN '*' THEN 'ALL' WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT'
        WHEN 'w' THEN 'UPDATE' ELSE 'DELETE' END,
    (SELECT string_agg(
        CASE role WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(role) END, ', ' ORDER BY 1
    ) FROM unnest(polroles) AS role),
    E'\\n    USING (' || pg_get_expr(polqual, polrelid, true) || ')',
    E'\\n    WITH CHECK (' || pg_get_expr(polwithcheck, polrelid, true) || ')'
)
FROM pg_policy WHERE polrelid = %(table)s ORDER BY polname
"""
_PINNED: Final = re.compile(r"^ SET search_path TO .*$", re.MULTILINE)
_GRANT: Final = re.compile(r"(?P<who>[^=]*)=(?P<what>[A-Za-z*]+)/.*")
# Whoever is given something has to be allowed to make it, for this moment.
_GIVEN: Final = """\
DO $$ BEGIN
    EXECUTE format('GRANT CREATE ON SCHEMA %I TO {owner}', current_schema());
    ALTER {what} OWNER TO {owner};
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM {owner}', current_schema());
END $$;"""
_LETTERS: Final = {
    "a": "INSERT",
    "r": "SELECT",
    "w": "UPDATE",
    "d": "DELETE",
    "D": "TRUNCATE",
    "x": "REFERENCES",
    "t": "TRIGGER",
    "m": "MAINTAIN",
    "X": "EXECUTE",
    "U": "USAGE",
}
_KINDS: Final = {"v": "VIEW", "m": "MATERIALIZED VIEW", "S": "SEQUENCE", "f": "FOREIGN TABLE"}


def describe(connection: psycopg.Connection[Any], schema: str = "public") -> str:
    """Return the statements that make what is in ``schema``."""
    with connection.transaction(force_rollback=True):
        path = sql.Identifier(schema).as_string(connection) + ", pg_temp"
        connection.execute("SELECT set_config('search_path', %s, true)", [path])
        catalogue = _Catalogue(connection, schema)
        return "\n".join([_HEAD, *catalogue.functions(), *catalogue.tables(), "COMMIT;", ""])


class _Catalogue:
    """The catalogue of one database, as far as one schema goes."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str) -> None:
        self._cursor = connection.cursor(row_factory=tuple_row)
        [(quoted,)] = self._cursor.execute("SELECT quote_ident(%s)", [schema]).fetchall()
        self._schema = str(quoted)
        self._values = {"schema": self._schema}

    def functions(self) -> Iterator[str]:
        """Yield the functions and who may call them."""
        for text, name, kind, grants, owner in self._rows(_FUNCTIONS):
            made = text.rstrip().replace(f" {self._schema}.", " ", 1)
            yield _PINNED.sub(" SET search_path FROM CURRENT", made) + "\n;"
            yield from _granted(f"{kind} {name}", grants, owner)
            yield ""

    def tables(self) -> Iterator[str]:
        """Yield the tables, and then what may refer from one to another."""
        later = []
        for oid, name, kind, secure, forced, owner, grants, view, options in self._rows(_TABLES):
            if kind not in "rp":
                yield f"-- {_KINDS[kind]} {name} {options or ''}\n{view or ''}"
                continue
            constraints = self._rows(_CONSTRAINTS, table=oid)
            own = [f"CONSTRAINT {text}" for text, foreign in constraints if not foreign]
            columns = [text for (text,) in self._rows(_COLUMNS, table=oid)]
            body = ",\n    ".join([*columns, *own])
            yield f"CREATE TABLE {name} (\n    {body}\n);"
            yield from (f"{text};" for (text,) in self._rows(_INDEXES, table=oid))
            if secure:
                yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"
            if forced:
                yield f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"
            yield from _granted(f"TABLE {name}", grants, owner)
            some = self._rows(_COLUMN_GRANTS, table=oid, name=name)
            yield from (f"{text};" for (text,) in some)
            yield ""
            later += [
                f"ALTER TABLE {name} ADD CONSTRAINT {text};"
                for text, foreign in constraints
                if foreign
            ]
            for query in (_TRIGGERS, _POLICIES):
                later += [f"{text};" for (text,) in self._rows(query, table=oid, name=name)]
        yield from later
        yield ""

    def _rows(self, query: LiteralString, **values: Any) -> list[Any]:
        return self._cursor.execute(query, {**self._values, **values}).fetchall()


def _granted(what: str, grants: list[str], owner: str) -> Iterator[str]:
    """Yield who may do what, and whose it is unless it is axai_owner's."""
    yield f"REVOKE ALL ON {what} FROM PUBLIC;"
    for grant in sorted(grants):
        found = _GRANT.fullmatch(grant)
        if found is None or found["who"] == owner:
            continue
        names = ", ".join(sorted(_LETTERS.get(letter, letter) for letter in found["what"]))
        yield f"GRANT {names} ON {what} TO {found['who'] or 'PUBLIC'};"
    if owner != "axai_owner":
        yield _GIVEN.format(what=what, owner=owner)
