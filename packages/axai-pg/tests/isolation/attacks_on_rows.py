"""Attacks that look for rows of another organisation, or touch them.

Each is a function that yields what it got, in words; nothing, where isolation holds. What
they are tried on is in the catalogue, so what is added to the schema is attacked as well.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb
from tests.isolation.scene import Outcome, Relation, Scene, insertion, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

SITUATIONS: Final = (
    ("axai_app", False),
    ("axai_audit_reader", False),
    ("axai_app", True),
    ("axai_owner", True),
)
"""Who attacks, and whether everything is granted and permitted that anybody could add."""

REFUSED: Final = "42501"
READS: Final[dict[str, LiteralString]] = {
    "SELECT": "SELECT row::text FROM {} AS row",
    "SELECT of theirs": "SELECT row::text FROM {} AS row WHERE {tenant}::text = %s",
    "SELECT FOR UPDATE": "SELECT row::text FROM {} AS row WHERE {tenant}::text = %s FOR UPDATE",
    "SELECT with an error": (
        "SELECT count(*) FROM {} WHERE 1 / (CASE WHEN {tenant}::text = %s THEN 0 ELSE 1 END) = 1"
    ),
    "SELECT with a value in the error": "SELECT row::text::bigint FROM {} AS row",
    "UPDATE RETURNING": "UPDATE {} AS row SET {tenant} = {tenant} RETURNING row::text",
    "DELETE RETURNING": "DELETE FROM {} AS row WHERE {tenant}::text = %s RETURNING row::text",
}
ENDINGS: Final[tuple[LiteralString, ...]] = ("", "ON CONFLICT DO NOTHING")
CHANGES: Final[dict[str, LiteralString]] = {
    "UPDATE": "UPDATE {} SET {tenant} = {tenant} WHERE {tenant}::text = %s",
    "DELETE": "DELETE FROM {} WHERE {tenant}::text = %s",
    "MERGE UPDATE": (
        "MERGE INTO {} AS row USING (SELECT %s AS whose) AS other ON row.{tenant}::text = whose"
        " WHEN MATCHED THEN UPDATE SET {tenant} = row.{tenant}"
    ),
    "MERGE DELETE": (
        "MERGE INTO {} AS row USING (SELECT %s AS whose) AS other ON row.{tenant}::text = whose"
        " WHEN MATCHED THEN DELETE"
    ),
}


def rows_of_others_are_read(scene: Scene) -> Iterator[str]:
    """Read by each way of reading, and by what an error says of a row."""
    for role, opened in SITUATIONS:
        with scene.attacker(role, opened=opened):
            for relation in _owned(scene):
                for verb, statement in READS.items():
                    values = [str(scene.theirs.id)] if "%s" in statement else []
                    outcome = scene.attempt(verb, relation, statement, *values)
                    if reading(outcome, scene.theirs) or _found(verb, outcome):
                        yield f"{verb} of {relation.name} as {role}: {outcome}"
                if reading(scene.copy_out(relation), scene.theirs):
                    yield f"COPY of {relation.name} as {role}"


def _found(verb: str, outcome: Outcome) -> bool:
    """Return whether there was a row, where there should be none of theirs."""
    if verb == "SELECT with an error":
        return outcome.state == "22012"
    return verb in {"SELECT of theirs", "SELECT FOR UPDATE", "DELETE RETURNING"} and (
        outcome.count > 0
    )


def rows_are_read_without_a_context(scene: Scene) -> Iterator[str]:
    """Nothing, an empty text, nil and an organisation that is not there: all show nothing."""
    for context in (None, uuid.UUID(int=0), uuid.uuid4()):
        for role, opened in SITUATIONS:
            with scene.attacker(role, opened=opened), scene.acting(role, context):
                for relation in _owned(scene):
                    found = scene.attempt("SELECT", relation, "SELECT FROM {}")
                    if found.count > 0 or found.state not in {None, REFUSED}:
                        yield f"{relation.name} as {role} in {context}: {found}"


def rows_are_written_without_a_context(scene: Scene) -> Iterator[str]:
    """Neither for an organisation, nor for none."""
    rows = _rows_to_insert(scene)
    for role, opened in SITUATIONS[:3]:
        with scene.attacker(role, opened=opened), scene.acting(role):
            for relation in _owned_tables(scene):
                for whose in (str(scene.theirs.id), None):
                    row: dict[Any, Any] = {**rows[relation.name], relation.tenant: whose}
                    tried = scene.run(insertion(relation, _without_none(row)), Jsonb(row))
                    if tried.state not in {REFUSED, "23502"}:
                        yield f"INSERT into {relation.name} as {role}: {tried}"
                for verb, statement in CHANGES.items():
                    tried = scene.attempt(verb, relation, statement, str(scene.theirs.id))
                    if tried.count > 0:
                        yield f"{verb} of {relation.name} as {role}: {tried}"


def _without_none(row: dict[Any, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def rows_of_others_are_changed(scene: Scene) -> Iterator[str]:
    """UPDATE, DELETE and MERGE touch none of them, whatever is granted."""
    for role, opened in SITUATIONS:
        with scene.attacker(role, opened=opened):
            for relation in _owned_tables(scene):
                for verb, statement in CHANGES.items():
                    tried = scene.attempt(verb, relation, statement, str(scene.theirs.id))
                    if tried.count > 0 or tried.state not in {None, REFUSED}:
                        yield f"{verb} of {relation.name} as {role}: {tried}"


def rows_are_made_for_others(scene: Scene) -> Iterator[str]:
    """INSERT, also where it would meet a row of theirs and say so, MERGE and COPY."""
    rows = _rows_to_insert(scene)
    for role, opened in SITUATIONS[:3]:
        with scene.attacker(role, opened=opened):
            for relation in _owned_tables(scene):
                new = rows[relation.name]
                for ending in ENDINGS:
                    for row in (new, rows[f"{relation.name} as it is"]):
                        scene.tried.add((relation.name, "INSERT"))
                        tried = scene.run(insertion(relation, row, ending), Jsonb(row))
                        if tried.state != REFUSED:
                            yield f"INSERT {ending} into {relation.name} as {role}: {tried}"
                merge = sql.SQL(
                    "MERGE INTO {table} USING (SELECT) AS other ON false WHEN NOT MATCHED THEN"
                    " INSERT ({columns}) VALUES ({values})"
                ).format(
                    table=relation.path,
                    columns=sql.SQL(", ").join(map(sql.Identifier, new)),
                    values=sql.SQL(", ").join(
                        sql.Literal(Jsonb(value) if isinstance(value, dict) else value)
                        for value in new.values()
                    ),
                )
                scene.tried.add((relation.name, "MERGE INSERT"))
                tried = scene.run(merge)
                if tried.state != REFUSED:
                    yield f"MERGE INSERT into {relation.name} as {role}: {tried}"
                tried = scene.attempt("COPY FROM", relation, "COPY {} FROM STDIN")
                if tried.state not in {REFUSED, "0A000"}:
                    yield f"COPY FROM into {relation.name} as {role}: {tried}"


def rows_of_nobody_are_made(scene: Scene) -> Iterator[str]:
    """What belongs to no organisation is an operator's: nobody else adds to it."""
    for relation in scene.tables:
        if relation.tenant is None:
            row = scene.row(relation, scene.ours)
            for role, opened in SITUATIONS:
                with scene.attacker(role, opened=opened):
                    scene.tried.add((relation.name, "INSERT"))
                    tried = scene.run(insertion(relation, row), Jsonb(row))
                    if tried.state != REFUSED:
                        yield f"{relation.name} as {role}: {tried}"


def rows_are_moved_to_others(scene: Scene) -> Iterator[str]:
    """A row of ours does not become theirs, nor an organisation another one."""
    for role, opened in SITUATIONS[:3]:
        with scene.attacker(role, opened=opened):
            for relation in _owned_tables(scene):
                move: LiteralString = "UPDATE {} SET {tenant} = %s"
                tried = scene.attempt("UPDATE", relation, move, str(scene.theirs.id))
                if tried.state != REFUSED:
                    yield f"{relation.name} as {role}: {tried}"


def rows_of_others_go_with_ours(scene: Scene) -> Iterator[str]:
    """Rows that have the same key as theirs, as far as ``id`` goes, are made and deleted."""
    tables = [each for each in scene.tables if each.tenant == "org_id"]
    attacker = uuid.uuid4()
    with scene.acting("axai_system"):
        before = {each.name: _count(scene, each) for each in tables}
        scene.connection.execute(
            "INSERT INTO public.organizations (id, name) VALUES (%s, 'x')", [attacker]
        )
        twins = [each for name in scene.writable for each in tables if each.name == name]
        for relation in twins:
            row = {**scene.row(relation, scene.theirs), "org_id": str(attacker)}
            refused = scene.run(insertion(relation, row), Jsonb(row)).state
            if refused:
                yield f"{relation.name}: {refused} for a key that others have"
                return
            scene.connection.execute(insertion(relation, row), [Jsonb(row)])
        for relation in reversed(twins):
            scene.connection.execute(
                sql.SQL("DELETE FROM {} WHERE org_id = %s").format(relation.path), [attacker]
            )
        after = {each.name: _count(scene, each) for each in tables}
    if after != before:
        yield f"what they had was {before} and is {after}"


def _count(scene: Scene, relation: Relation) -> int:
    query = sql.SQL("SELECT FROM {} WHERE org_id = %s").format(relation.path)
    return scene.run(query, scene.theirs.id).count


def what_an_owner_makes_shows_rows_of_others(scene: Scene) -> Iterator[str]:
    """A plain view and a definer function, as a migration makes them without care."""
    for relation in _owned_tables(scene):
        scene.tried.add((relation.name, "SELECT by a view"))
        with scene.opened(), scene.acting("axai_owner", scene.ours.id):
            for statement in (
                "CREATE VIEW public.made AS SELECT row::text AS line FROM {} AS row",
                (
                    "CREATE FUNCTION public.made() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER"
                    " SET search_path = public, pg_temp AS 'SELECT row::text FROM {} AS row'"
                ),
            ):
                scene.connection.execute(sql.SQL(statement).format(relation.path))
            scene.connection.execute("GRANT SELECT ON public.made TO axai_app")
            scene.connection.execute("GRANT EXECUTE ON FUNCTION public.made() TO axai_app")
            scene.become("axai_app")
            for query in ("SELECT * FROM public.made", "SELECT public.made()"):
                found = scene.run(sql.SQL(query))
                if reading(found, scene.theirs) or found.state:
                    yield f"{query} on {relation.name}: {found}"


def a_context_outlives_its_savepoint(scene: Scene) -> Iterator[str]:
    """What is rolled back to a savepoint has our organisation again."""
    with scene.attacker("axai_app"):
        with scene.connection.transaction(force_rollback=True):
            scene.connection.execute(
                "SELECT set_config('axai.org_id', %s, true)", [str(scene.theirs.id)]
            )
        for relation in _owned(scene):
            if reading(scene.attempt("SELECT", relation, READS["SELECT"]), scene.theirs):
                yield relation.name


def _rows_to_insert(scene: Scene) -> dict[str, dict[str, Any]]:
    """Return a row for each table that is theirs, with a new key, and the one they have."""
    rows: dict[str, dict[str, Any]] = {}
    for relation in _owned_tables(scene):
        row = _without_none(scene.row(relation, scene.theirs))
        rows[f"{relation.name} as it is"] = row
        new = {"id": str(uuid.uuid4())} if "id" in row and relation.tenant != "id" else {}
        rows[relation.name] = {**row, **new}
    return rows


def _owned(scene: Scene) -> list[Relation]:
    return [each for each in scene.relations if each.tenant is not None]


def _owned_tables(scene: Scene) -> list[Relation]:
    return [each for each in scene.tables if each.tenant is not None]


ATTACKS: Final = (
    rows_of_others_are_read,
    rows_are_read_without_a_context,
    rows_are_written_without_a_context,
    rows_of_others_are_changed,
    rows_are_made_for_others,
    rows_of_nobody_are_made,
    rows_are_moved_to_others,
    rows_of_others_go_with_ours,
    what_an_owner_makes_shows_rows_of_others,
    a_context_outlives_its_savepoint,
)
