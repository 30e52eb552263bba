"""What has to work in an organisation: without it, isolation would be easy.

Each promise is a function that yields what is broken. What there should be comes from the
models, not from the catalogue: a key that has gone is missed.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, Table, UniqueConstraint
from tests.isolation.attacks_on_rights import READ_ONLY
from tests.isolation.scene import Relation, Scene, insertion

from axai_pg.data.models import Base

if TYPE_CHECKING:
    from collections.abc import Iterator

FEED: Final = {"andamios_changes", "andamios_history", "andamios_followers"}
VERBS: Final[dict[str, LiteralString]] = {
    "SELECT": "SELECT FROM {} WHERE {tenant}::text = %s",
    "UPDATE": "UPDATE {} SET {tenant} = {tenant} WHERE {tenant}::text = %s",
    "DELETE": "DELETE FROM {} WHERE {tenant}::text = %s",
}
HAS_CHILDREN: Final = "23503"


def model_tables() -> list[Table]:
    """Return the tables of the models that hold rows of organisations."""
    return [table for table in Base.metadata.sorted_tables if table.name not in FEED]


def services_work(scene: Scene) -> Iterator[str]:
    """A service does everything with its own rows, an operator with those of all."""
    for role, context in (("axai_app", scene.ours.id), ("axai_system", None)):
        with scene.acting(role, context):
            for relation in _relations(scene):
                if relation.name in READ_ONLY and role == "axai_app":
                    continue
                for verb, statement in VERBS.items():
                    if relation.name in READ_ONLY and verb != "SELECT":
                        continue
                    tried = scene.attempt(verb, relation, statement, str(scene.ours.id))
                    if tried.count < 1 and tried.state != HAS_CHILDREN:
                        yield f"{verb} of {relation.name} as {role}: {tried}"


def rows_are_inserted_without_keys(scene: Scene) -> Iterator[str]:
    """A service says neither ``org_id`` nor ``id``; an operator leaves ``org_id`` to the parent."""
    for table in scene.writable.values():
        relation = relation_of(scene, table.name)
        given = {
            name: value
            for name, value in scene.row(relation, scene.ours).items()
            if name not in {"id", "org_id"} and value is not None
        }
        for role, context in (("axai_app", scene.ours.id), ("axai_system", None)):
            if role == "axai_system" and not _knows_its_parent(table.name):
                continue
            with scene.without_our_rows(relation), scene.acting(role, context):
                query = insertion(relation, given, "RETURNING id, org_id")
                tried = scene.run(query, Jsonb(given))
            if tried.state or tried.rows[0][0].version != 7 or tried.rows[0][1] != scene.ours.id:
                yield f"{relation.name} as {role}: {tried}"


def _knows_its_parent(name: str) -> bool:
    """Return whether each row has a parent that is no organisation."""
    keys = Base.metadata.tables[name].foreign_key_constraints
    return all(key.referred_table.name != "organizations" for key in keys)


def an_operator_reads_and_a_reader_audits(scene: Scene) -> Iterator[str]:
    """The backup reads everything, the audit reader what was audited, writers the base."""
    for relation in scene.tables:
        with scene.acting("axai_backup"):
            if scene.attempt("SELECT", relation, "SELECT FROM {}").count < 1:
                yield f"axai_backup reads no {relation.name}"
        with scene.acting("axai_system"):
            for verb in ("SELECT", "INSERT", "UPDATE", "DELETE"):
                if relation.name in FEED and not _may(scene, relation, verb):
                    yield f"axai_system may not {verb} {relation.name}"
    for name in sorted(READ_ONLY):
        with scene.acting("axai_audit_reader", scene.ours.id):
            if scene.run(sql.SQL("SELECT FROM {}").format(_path(name))).count < 1:
                yield f"axai_audit_reader reads no {name}"


def _may(scene: Scene, relation: Relation, verb: str) -> bool:
    query = "SELECT has_table_privilege(current_user, %s::oid, %s)"
    [(answer,)] = scene.run(query, relation.oid, verb).rows
    return bool(answer)


def what_is_unique_stays_so(scene: Scene) -> Iterator[str]:
    """A second row with the values of a key or of a unique constraint is refused."""
    for table in Base.metadata.sorted_tables:
        relation = relation_of(scene, table.name)
        row = scene.row(relation, scene.ours)
        unique = dict(_unique(table))
        for name, columns in unique.items():
            others = {each for names in unique.values() for each in names} - set(columns)
            other = {**row, **{each: _another(scene, table, each, row[each]) for each in others}}
            tried = scene.run(insertion(relation, other), Jsonb(other))
            if tried.state != "23505" or f'"{name}"' not in tried.said:
                yield f"{name} of {table.name}: {tried}"


def _unique(table: Table) -> Iterator[tuple[str, list[str]]]:
    """Yield what is unique in a model: its key, constraints and indexes."""
    for constraint in sorted(table.constraints, key=lambda each: str(each.name)):
        if isinstance(constraint, UniqueConstraint | PrimaryKeyConstraint):
            yield str(constraint.name), [column.name for column in constraint.columns]
    for index in table.indexes:
        if index.unique:
            named = re.findall(r"\w+", " ".join(map(str, index.expressions)))
            yield str(index.name), [each.name for each in table.columns if each.name in named]


def _another(scene: Scene, table: Table, name: str, value: Any) -> Any:
    """Return a value that nobody has, unless only certain values are allowed."""
    described = scene.writable.get(table.name)
    fixed = described is not None and (name in described.choices or name in described.parents)
    if value is None or fixed:
        return value
    if isinstance(value, int):
        return value + 1
    return f"{uuid.uuid4()}@x" if name == "email" else str(uuid.uuid4())


def keys_lead_somewhere(scene: Scene) -> Iterator[str]:
    """A key to a row that is not there is refused, or emptied or followed when it goes."""
    for table in model_tables():
        relation = relation_of(scene, table.name)
        for key in table.constraints:
            if not isinstance(key, ForeignKeyConstraint):
                continue
            column = [each.name for each in key.columns][-1]
            with scene.acting("axai_system"):
                tried = _point(scene, relation, column, key)
                if tried != "23503":
                    yield f"{key.name} of {table.name}: {tried}"


def _point(scene: Scene, relation: Relation, column: str, key: ForeignKeyConstraint) -> str | None:
    """Return what an UPDATE says that lets a key lead to nothing."""
    others = [
        each.name
        for each in key.parent.columns
        if each.foreign_keys and each.nullable and each.name != column
    ]
    values: dict[str, Any] = {column: uuid.uuid4()}
    query = "UPDATE {} SET {} WHERE {} = %s"
    state: str | None = None
    for given in (values, {**dict.fromkeys(others), **values}):
        assigned = sql.SQL(", ").join(
            sql.SQL("{} = %s").format(sql.Identifier(name)) for name in given
        )
        statement = sql.SQL(query).format(relation.path, assigned, sql.Identifier("org_id"))
        state = scene.run(statement, *given.values(), scene.ours.id).state
        if state != "23514":
            break
    return state


def _relations(scene: Scene) -> list[Relation]:
    return [relation_of(scene, table.name) for table in model_tables()]


def relation_of(scene: Scene, name: str) -> Relation:
    """Return a table by its name."""
    [relation] = [each for each in scene.tables if each.name == name]
    return relation


def _path(name: str) -> sql.Identifier:
    return sql.Identifier("public", name)


PROMISES: Final = (
    services_work,
    rows_are_inserted_without_keys,
    an_operator_reads_and_a_reader_audits,
    what_is_unique_stays_so,
    keys_lead_somewhere,
)
