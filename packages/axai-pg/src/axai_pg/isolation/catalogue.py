"""The tables of a schema, and what shows them elsewhere, as far as isolation goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import sql
from psycopg.rows import tuple_row

if TYPE_CHECKING:
    import psycopg

    from axai_pg.isolation.rules import IsolationRules

__all__ = ["Catalogue", "Column", "Relation", "as_said"]

# Those of the schema, and in any schema the partitions of them and the views of all these.
_RELATIONS: Final[LiteralString] = """
WITH RECURSIVE derived(base, oid) AS (
    SELECT refobjid, ev_class FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid
    WHERE classid = 'pg_rewrite'::regclass AND refclassid = 'pg_class'::regclass
    UNION ALL SELECT inhparent, inhrelid FROM pg_inherits
), reached(oid) AS (
    SELECT pg_class.oid FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = %s
    UNION SELECT derived.oid FROM derived JOIN reached ON base = reached.oid
)
SELECT relation.oid, nspname, relname, relkind::text, relrowsecurity, relforcerowsecurity,
    pg_get_userbyid(relowner)
FROM pg_class AS relation JOIN reached USING (oid)
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT EXISTS (
    SELECT FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND objid = relation.oid AND deptype = 'e'
)
ORDER BY nspname <> %s, nspname, relname
"""
_COLUMNS: Final[LiteralString] = """
SELECT attrelid, attname, attnum, format_type(atttypid, NULL), attnotnull FROM pg_attribute
WHERE attrelid = ANY(%s) AND attnum > 0 AND NOT attisdropped
"""
# Services, and whoever is a member of one: a login that acts as it, or may. From PostgreSQL 16
# on, a membership may be one that only lets others in.
_SERVICES: Final[LiteralString] = """
WITH RECURSIVE service(oid) AS (
    SELECT oid FROM pg_roles WHERE rolname = ANY(%s)
    UNION SELECT member FROM pg_auth_members AS membership JOIN service ON roleid = service.oid
    WHERE coalesce((to_jsonb(membership)->>'set_option')::boolean, true)
    OR (to_jsonb(membership)->>'inherit_option')::boolean
)
SELECT oid FROM service
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    number: int
    kind: str
    never_null: bool


NOBODY: Final = Column("", 0, "text", never_null=False)
"""Stands for the column that says whose a row is, where there is none."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view; ``tenant`` is the column that says whose a row is."""

    oid: int
    schema: str
    name: str
    kind: str
    secured: bool
    forced: bool
    owner: str
    tenant: Column
    columns: dict[int, str]

    @property
    def path(self) -> sql.Identifier:
        """Return its name in a statement."""
        return sql.Identifier(self.schema, self.name)

    @property
    def is_owned(self) -> bool:
        """Return whether each row says whose it is."""
        return self.tenant is not NOBODY

    @property
    def is_table(self) -> bool:
        """Return whether row security can be on it."""
        return self.kind in {"r", "p"}


class Catalogue:
    """The catalogue of one database, and the rules that it is held against."""

    def __init__(self, connection: psycopg.Connection[Any], rules: IsolationRules) -> None:
        self._connection = connection
        self.rules = rules
        self.relations = self._relations()
        self.tables = [each for each in self.relations if each.is_table]

    def rows(self, query: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
        """Return what a query gives."""
        cursor = self._connection.cursor(row_factory=tuple_row)
        return cursor.execute(query, values or None).fetchall()

    def text(self, statement: LiteralString, *parts: sql.Composable) -> str:
        """Return a statement with quoted names in its places."""
        return sql.SQL(statement).format(*parts).as_string(self._connection)

    def services(self) -> list[int]:
        """Return the services, and the roles that act as one."""
        return [oid for (oid,) in self.rows(_SERVICES, list(self.rules.services))]

    def is_shared(self, relation: Relation) -> bool:
        """Return whether a table holds no rows of organisations."""
        return relation.name in self.rules.shared_tables

    def _relations(self) -> list[Relation]:
        rules = self.rules
        columns: dict[int, list[Column]] = {}
        rows = self.rows(_RELATIONS, rules.schema, rules.schema)
        for oid, *column in self.rows(_COLUMNS, [row[0] for row in rows]):
            columns.setdefault(oid, []).append(Column(*column))
        found = []
        for oid, schema, name, kind, secured, forced, owner in rows:
            tenant = rules.tenant_columns.get(name, rules.tenant_column)
            own = columns.get(oid, [])
            found.append(
                Relation(
                    oid,
                    schema,
                    name,
                    kind,
                    secured,
                    forced,
                    owner,
                    next((each for each in own if each.name == tenant), NOBODY),
                    {each.number: each.name for each in own},
                )
            )
        return found


def as_said(text: str) -> sql.SQL:
    """Return words of PostgreSQL itself, quoted by it, as a part of a statement."""
    return sql.SQL(text)
