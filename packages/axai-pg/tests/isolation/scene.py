"""What an attacker finds: rows of two organisations, and whatever the catalogue has."""

from __future__ import annotations

import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from axai_pg.testing.rows import TenantTable, insert_rows, tenant_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Organisation", "Outcome", "Relation", "Scene", "fill", "reading"]

SCHEMA: Final = "public"
_RELATIONS: Final[LiteralString] = """
SELECT relation.oid, relname, relkind::text, (
    SELECT attname FROM pg_attribute WHERE attrelid = relation.oid AND NOT attisdropped
    AND (attname IN ('org_id', 'tenant') OR relname = 'organizations' AND attname = 'id')
), ARRAY(
    SELECT attname::text FROM pg_attribute WHERE attrelid = relation.oid AND attnum > 0
    AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
)
FROM pg_class AS relation
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY 2
"""
_REQUIRED: Final[LiteralString] = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attnotnull AND NOT atthasdef
"""
_OPEN: Final = """
DO $$ DECLARE
    name text;
BEGIN
    FOR name IN SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    LOOP
        EXECUTE format('CREATE POLICY opened ON public.%I USING (true) WITH CHECK (true)', name);
    END LOOP;
    GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
END $$
"""
_SHADOW: Final = """
DO $$ DECLARE
    name text;
BEGIN
    FOR name IN SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    LOOP
        EXECUTE format('CREATE TEMPORARY TABLE %I (LIKE public.%I)', name, name);
        EXECUTE format('GRANT ALL ON pg_temp.%I TO PUBLIC', name);
    END LOOP;
    CREATE TEMPORARY TABLE made (org_id uuid, id uuid);
END $$
"""


@dataclass(frozen=True)
class Relation:
    """A table or view; ``tenant`` is the column that says whose a row is, if there is one."""

    oid: int
    name: str
    kind: str
    tenant: str | None
    columns: list[str]

    @property
    def path(self) -> sql.Identifier:
        """Return the name that nothing can stand in front of."""
        return sql.Identifier(SCHEMA, self.name)


@dataclass(frozen=True)
class Outcome:
    """What a statement came to: the state of its error or None, and all that it told."""

    state: str | None
    count: int
    rows: list[Any]
    said: str


class Organisation:
    """An organisation with a row in each table; ``marks`` are the texts that give it away."""

    def __init__(self, org_id: uuid.UUID, keys: dict[str, uuid.UUID]) -> None:
        self.id = org_id
        self.keys = keys
        self.marks = [str(org_id), *map(str, keys.values())]


def fill(connection: psycopg.Connection[Any]) -> Organisation:
    """Return a new organisation that has a row in each table, those of the owner included.

    Raises:
        psycopg.Error: a table is such that no row could be made.
    """
    org_id = uuid.uuid4()
    with connection.transaction():
        connection.execute("SET LOCAL ROLE axai_system")
        keys = insert_rows(connection, org_id)
        connection.execute("RESET ROLE")
        for relation in map(_relation, connection.execute(_RELATIONS).fetchall()):
            if relation.kind in "rp" and not _has_row(connection, relation, org_id):
                required = dict(connection.execute(_REQUIRED, [relation.oid]).fetchall())
                values = {name: _value(kind) for name, kind in required.items()}
                if relation.tenant is not None:
                    values[relation.tenant] = str(org_id)
                connection.execute(
                    sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                        relation.path,
                        sql.SQL(", ").join(map(sql.Identifier, values)),
                        sql.SQL(", ").join(sql.Placeholder() * len(values)),
                    ),
                    list(values.values()),
                )
    return Organisation(org_id, keys)


def _relation(row: tuple[Any, ...]) -> Relation:
    return Relation(*row)


def _has_row(connection: psycopg.Connection[Any], relation: Relation, org_id: uuid.UUID) -> bool:
    if relation.tenant is None:
        return False
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {}::text = %s)")
    [(found,)] = connection.execute(
        query.format(relation.path, sql.Identifier(relation.tenant)), [str(org_id)]
    ).fetchall()
    return bool(found)


def _value(kind: str) -> Any:
    number = uuid.uuid4().int % 2**30
    return {
        "integer": number,
        "bigint": number,
        "uuid": uuid.uuid4(),
        "timestamp with time zone": "2026-01-01Z",
        "jsonb": Jsonb({}),
    }.get(kind, str(uuid.uuid4()))


@dataclass
class Scene:
    """One database as attackers see it; nothing that happens in it stays.

    The connection is a superuser's, in a transaction. ``tried`` collects which verbs have
    been tried on which relation.
    """

    connection: psycopg.Connection[Any]
    ours: Organisation
    theirs: Organisation
    tried: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        found = self.connection.execute(_RELATIONS).fetchall()
        self.relations = [_relation(row) for row in found]
        self.tables = [each for each in self.relations if each.kind in "rp"]
        self.writable: dict[str, TenantTable] = {
            table.name: table for table in tenant_tables(self.connection)
        }

    @contextmanager
    def acting(
        self, role: str, org_id: uuid.UUID | str | None = None, user_id: uuid.UUID | None = None
    ) -> Iterator[None]:
        """Be ``role`` in the context of an organisation; undo whatever was done."""
        with self.connection.transaction(force_rollback=True):
            self.become(role)
            self.connection.execute(
                "SELECT set_config('axai.org_id', %s, true), set_config('axai.user_id', %s, true)",
                ["" if org_id is None else str(org_id), "" if user_id is None else str(user_id)],
            )
            yield

    def become(self, role: str | None = None) -> None:
        """Be somebody else from now on, or the superuser again."""
        name = sql.Identifier(role or self.connection.info.user)
        self.connection.execute(sql.SQL("SET LOCAL SESSION AUTHORIZATION {}").format(name))

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Let everybody do everything that a restrictive policy does not stop."""
        with self.connection.transaction(force_rollback=True):
            self.connection.execute(_OPEN)
            yield

    @contextmanager
    def shadowed(self) -> Iterator[None]:
        """Put an empty temporary table in front of each table."""
        with self.connection.transaction(force_rollback=True):
            self.connection.execute(_SHADOW)
            yield

    @contextmanager
    def without_our_rows(self, relation: Relation) -> Iterator[None]:
        """Take our rows out of a table, and leave what refers to them."""
        with self.connection.transaction(force_rollback=True):
            self.connection.execute("SET LOCAL session_replication_role = replica")
            query = sql.SQL("DELETE FROM {} WHERE {}::text = %s")
            tenant = sql.Identifier(relation.tenant or "ctid")
            self.connection.execute(query.format(relation.path, tenant), [str(self.ours.id)])
            self.connection.execute("SET LOCAL session_replication_role = origin")
            yield

    @contextmanager
    def outsider(self) -> Iterator[str]:
        """Make a role that has nothing but what everybody has."""
        name = f"axai_outsider_{uuid.uuid4().hex}"
        with self.connection.transaction(force_rollback=True):
            self.connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
            yield name

    @contextmanager
    def attacker(self, role: str, *, opened: bool = False) -> Iterator[None]:
        """Be ``role`` in our organisation, where ``opened`` with all doors open but one."""
        with ExitStack() as stack:
            if opened:
                stack.enter_context(self.opened())
            stack.enter_context(self.acting(role, self.ours.id))
            yield

    def attempt(
        self, verb: str, relation: Relation, statement: LiteralString, *values: Any
    ) -> Outcome:
        """Return what a statement on ``{}``, whose tenant is ``{tenant}``, comes to."""
        self.tried.add((relation.name, verb))
        query = sql.SQL(statement).format(
            relation.path, tenant=sql.Identifier(relation.tenant or "ctid")
        )
        return self.run(query, *values)

    def run(self, query: sql.SQL | sql.Composed | LiteralString, *values: Any) -> Outcome:
        """Return what a statement comes to, and undo it."""
        try:
            with self.connection.transaction(force_rollback=True):
                cursor = self.connection.execute(query, values)
                rows = cursor.fetchall() if cursor.description else []
                return Outcome(None, cursor.rowcount, rows, "")
        except psycopg.Error as error:
            said = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]
            return Outcome(error.sqlstate, 0, [], " ".join(filter(None, said)))

    def copy_out(self, relation: Relation) -> Outcome:
        """Return what ``COPY ... TO`` gives of a relation."""
        self.tried.add((relation.name, "COPY TO"))
        query = sql.SQL("COPY {} TO STDOUT").format(relation.path)
        try:
            with (
                self.connection.transaction(force_rollback=True),
                self.connection.cursor().copy(query) as copy,
            ):
                return Outcome(None, 0, [bytes(line).decode() for line in copy], "")
        except psycopg.Error as error:
            return Outcome(error.sqlstate, 0, [], str(error))

    def row(self, relation: Relation, organisation: Organisation) -> dict[str, Any]:
        """Return a row of an organisation, or of nobody, as the superuser reads it."""
        query = sql.SQL("SELECT to_jsonb(row) FROM {} AS row WHERE {} IS NULL OR {}::text = %s")
        tenant = sql.SQL("NULL") if relation.tenant is None else sql.Identifier(relation.tenant)
        with self.connection.transaction(force_rollback=True):
            self.become()
            found = self.connection.execute(
                query.format(relation.path, tenant, tenant), [str(organisation.id)]
            ).fetchall()
        if not found:
            raise LookupError(f"{relation.name} has no row of {organisation.id}")
        row: dict[str, Any] = found[0][0]
        return {name: row[name] for name in relation.columns}


def insertion(relation: Relation, row: dict[str, Any], ending: LiteralString = "") -> sql.Composed:
    """Return the statement that inserts a row, whose one value is the row as JSON."""
    columns = sql.SQL(", ").join(map(sql.Identifier, row))
    return sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {columns}"
        " FROM pg_catalog.jsonb_populate_record(NULL::{table}, %s) " + ending
    ).format(table=relation.path, columns=columns)


def reading(outcome: Outcome, organisation: Organisation) -> bool:
    """Return whether an outcome shows anything of an organisation."""
    told = f"{outcome.rows} {outcome.said}"
    return any(mark in told for mark in organisation.marks)
