"""The page of the tables of axai_pg, from a live database, and their picture, from the models.

``scripts/axai_schema.py --write`` puts both into the documentation.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg
from model_notes import first_line, notes_of_model
from psycopg.rows import tuple_row
from sqlalchemy import Column, ForeignKey, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapper

from andamios_orm.cli.picture import picture
from axai_pg.data.models import Base

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "schema"
PAGE = FOLDER / "README.md"
DRAWING = FOLDER / "axai-pg.svg"
BEGIN = "<!-- the tables: written by scripts/axai_schema.py -->\n"
PACKAGES = ("andamios_orm.models", "axai_pg.data.models")
FEED: Final = {
    "andamios_changes": "which row of which entity was changed: the change feed",
    "andamios_followers": "up to where each follower has read the feed",
    "andamios_history": "rows as they were, of models that keep a history; here none does",
}
_TABLES: Final[LiteralString] = """
SELECT oid, relname FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') ORDER BY relname
"""
_COLUMNS: Final[LiteralString] = """
SELECT attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN '' ELSE 'yes' END,
    coalesce('`' || pg_get_expr(adbin, adrelid) || '`', ''),
    CASE WHEN attnum = ANY (conkey) THEN 'key' ELSE '' END
FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
LEFT JOIN pg_constraint ON conrelid = attrelid AND contype = 'p'
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
_CONSTRAINTS: Final[LiteralString] = """
SELECT CASE contype WHEN 'p' THEN 'primary key' WHEN 'f' THEN 'foreign key' WHEN 'u' THEN 'unique'
    ELSE 'check' END, conname, pg_get_constraintdef(oid, true)
FROM pg_constraint WHERE conrelid = %s AND contype IN ('p', 'f', 'u', 'c', 'x')
ORDER BY contype = 'p' DESC, contype, conname
"""
_INDEXES: Final[LiteralString] = """
SELECT CASE WHEN indisunique THEN 'unique index' ELSE 'index' END, indexrelid::regclass::text,
    substring(pg_get_indexdef(indexrelid, 0, true) FROM ' USING (.*)')
FROM pg_index WHERE indrelid = %s AND NOT EXISTS (
    SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x')
)
ORDER BY 2
"""
_POLICIES: Final[LiteralString] = """
SELECT CASE WHEN polpermissive THEN 'policy' ELSE 'restrictive policy' END, polname,
    concat_ws(' ', CASE polcmd WHEN '*' THEN 'FOR ALL' WHEN 'r' THEN 'FOR SELECT'
        WHEN 'a' THEN 'FOR INSERT' WHEN 'w' THEN 'FOR UPDATE' ELSE 'FOR DELETE' END,
    'TO ' || (SELECT string_agg(
        CASE role WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(role) END, ', ' ORDER BY 1
    ) FROM unnest(polroles) AS role),
    'USING (' || pg_get_expr(polqual, polrelid, true) || ')',
    'WITH CHECK (' || pg_get_expr(polwithcheck, polrelid, true) || ')')
FROM pg_policy WHERE polrelid = %s ORDER BY polname
"""
_TRIGGERS: Final[LiteralString] = """
SELECT 'trigger', tgname,
    regexp_replace(pg_get_triggerdef(oid, true), '^CREATE TRIGGER \\S+ (.*) ON \\S+ FOR', '\\1 FOR')
FROM pg_trigger WHERE tgrelid = %s AND NOT tgisinternal ORDER BY tgname
"""
_GRANTS: Final[LiteralString] = """
SELECT 'granted to', pg_get_userbyid(grantee),
    string_agg(privilege_type, ', ' ORDER BY privilege_type)
FROM pg_class, aclexplode(relacl) AS given
WHERE pg_class.oid = %(table)s AND grantee <> relowner GROUP BY grantee
UNION ALL
SELECT 'granted to', pg_get_userbyid(grantee),
    format('%%s (%%s)', privilege_type, string_agg(quote_ident(attname), ', ' ORDER BY attnum))
FROM pg_attribute, aclexplode(attacl) WHERE attrelid = %(table)s
GROUP BY grantee, privilege_type ORDER BY 2
"""
_FUNCTIONS: Final[LiteralString] = """
SELECT format('%s(%s)', proname, pg_get_function_arguments(function.oid)),
    pg_get_function_result(function.oid),
    string_agg(pg_get_userbyid(grantee), ', ' ORDER BY pg_get_userbyid(grantee))
FROM pg_proc AS function, aclexplode(proacl)
WHERE pronamespace = current_schema()::regnamespace AND grantee <> proowner AND prokind = 'f'
AND NOT EXISTS (
    SELECT FROM pg_depend
    WHERE classid = 'pg_proc'::regclass AND objid = function.oid AND deptype = 'e'
)
GROUP BY function.oid, proname ORDER BY 1
"""


def page(connection: psycopg.Connection[Any]) -> str:
    """Return the text of the page: what stands before the mark, and what the database has."""
    before, _, _ = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    cursor = connection.cursor(row_factory=tuple_row)
    return "\n".join([before + BEGIN, *_functions(cursor), *_tables(cursor)])


def drawing() -> str:
    """Return the picture of the tables and their keys, but for the change feed."""
    tables = _drawn(Base.metadata)
    return "\n".join(picture(tables, postgresql.dialect())) + "\n"  # type: ignore[no-untyped-call]  # SQLAlchemy's


def _drawn(models: MetaData) -> list[Table]:
    """Return tables whose keys are drawn as one line each: without the organisation in them."""
    drawn = MetaData()
    for table in models.sorted_tables:
        if table.name not in FEED:
            keys = {
                (pair := list(key.elements)[-1]).parent.name: pair.target_fullname
                for key in table.foreign_key_constraints
            }
            Table(table.name, drawn, *(_copy(column, keys) for column in table.columns))
    return drawn.sorted_tables


def _copy(column: Column[Any], keys: dict[str, str]) -> Column[Any]:
    key = [ForeignKey(keys[column.name])] if column.name in keys else []
    return Column(column.name, column.type, *key, primary_key=column.primary_key)


def _functions(cursor: psycopg.Cursor[Any]) -> Iterator[str]:
    yield "## Functions\n"
    yield "| function | gives back | may be called by |\n|---|---|---|"
    for name, result, roles in cursor.execute(_FUNCTIONS).fetchall():
        yield f"| `{name}` | `{result}` | {roles} |"
    yield ""


def _tables(cursor: psycopg.Cursor[Any]) -> Iterator[str]:
    models: dict[str, Mapper[Any]] = {
        each.local_table.name: each  # type: ignore[attr-defined]  # a table has one
        for each in Base.registry.mappers
    }
    for oid, name in cursor.execute(_TABLES).fetchall():
        mapper = models.get(name)
        yield f"## {name}\n"
        yield f"{_about(name, mapper)}\n"
        yield "| column | type | may be empty | default | |\n|---|---|---|---|---|"
        notes = {} if mapper is None else _notes(mapper)
        for each, kind, empty, default, key in cursor.execute(_COLUMNS, [oid]).fetchall():
            yield _column(each, kind, empty, default, key, notes.get(each, ""))
        yield ""
        for query in (_CONSTRAINTS, _INDEXES, _POLICIES, _TRIGGERS):
            yield from map(_rule, cursor.execute(query, [oid]).fetchall())
        yield from map(_rule, cursor.execute(_GRANTS, {"table": oid}).fetchall())
        yield ""


def _about(name: str, mapper: Mapper[Any] | None) -> str:
    if mapper is None:
        return f"`{name}`: {FEED[name]}."
    model = mapper.class_
    return f"`{model.__name__}`: {first_line(inspect.getdoc(model) or '')}"


def _notes(mapper: Mapper[Any]) -> dict[str, str]:
    """Return what is written about each column, by its name in the database."""
    written = notes_of_model(mapper.class_, *PACKAGES)
    return {each.columns[0].name: written.get(each.key, "") for each in mapper.column_attrs}


def _column(name: str, kind: str, empty: str, default: str, key: str, note: str) -> str:
    said = "; ".join(part for part in (key, note) if part)
    return f"| `{name}` | `{kind}` | {empty} | {default} | {said} |"


def _rule(found: tuple[str, str, str]) -> str:
    kind, name, text = found
    return f"- {kind} `{name}`: `{' '.join(text.split())}`"
