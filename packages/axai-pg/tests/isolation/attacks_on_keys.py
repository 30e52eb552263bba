"""Attacks that ask keys and unique indexes whether another organisation has a row.

Neither is subject to row security, so the answer has to be the same as for what is nowhere.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final, LiteralString

from psycopg import sql
from psycopg.types.json import Jsonb
from tests.isolation.scene import Outcome, Relation, Scene, insertion

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDINGS: Final[tuple[LiteralString, ...]] = ("", "ON CONFLICT DO NOTHING")
_FOREIGN: Final[LiteralString] = """
SELECT conname, ARRAY(
    SELECT ARRAY[own.attname::text, other.attname::text]
    FROM unnest(conkey, confkey) AS pair(own, other)
    JOIN pg_attribute AS own ON own.attrelid = conrelid AND own.attnum = pair.own
    JOIN pg_attribute AS other ON other.attrelid = confrelid AND other.attnum = pair.other
), (SELECT relname FROM pg_class WHERE oid = confrelid)
FROM pg_constraint WHERE contype = 'f' AND conrelid = %s AND conparentid = 0
"""
# The columns of an expression, such as lower(email), are those that the index depends on.
_UNIQUE: Final[LiteralString] = """
SELECT (SELECT relname FROM pg_class WHERE oid = indexrelid), ARRAY(
    SELECT attname::text FROM pg_attribute WHERE attrelid = indrelid AND attnum > 0 AND (
        attnum = ANY(indkey) OR EXISTS (
            SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = indexrelid
            AND refclassid = 'pg_class'::regclass AND refobjid = indrelid AND refobjsubid = attnum
        )
    ) ORDER BY attnum
)
FROM pg_index WHERE indisunique AND indrelid = %s
"""


def keys_tell_of_rows_of_others(scene: Scene) -> Iterator[str]:
    """A key to a row of theirs is answered like one to nothing."""
    with scene.attacker("axai_app"):
        for relation in scene.tables:
            for name, columns, parent in scene.connection.execute(_FOREIGN, [relation.oid]):
                if (outcomes := _key_outcomes(scene, relation, dict(columns), parent)) is None:
                    continue
                taken, nothing = outcomes
                if taken != nothing or taken.state not in {"23503", "42501"}:
                    yield f"{name} of {relation.name}: {taken}, but {nothing} for no row"


def _key_outcomes(
    scene: Scene, relation: Relation, columns: dict[str, str], parent: str
) -> tuple[Outcome, Outcome] | None:
    """Return what an UPDATE says of a key of theirs, and of one that nobody has."""
    key = next((own for own in columns if own != relation.tenant), None)
    if key is None or relation.tenant is None:
        return None
    [target] = [each for each in scene.tables if each.name == parent]
    theirs = scene.row(target, scene.theirs)[columns[key]]
    others = _other_keys(scene, relation, key)
    answers = []
    for value in (theirs, str(uuid.uuid4())):
        outcome = _point(scene, relation, {key: value})
        if outcome.state == "23514":  # only one of several keys may be there
            outcome = _point(scene, relation, {**dict.fromkeys(others), key: value})
        answers.append(_masked(outcome, str(value)))
    return answers[0], answers[1]


def _other_keys(scene: Scene, relation: Relation, key: str) -> list[str]:
    """Return the columns of keys that may be NULL."""
    found = scene.connection.execute(
        "SELECT attname FROM pg_attribute JOIN pg_constraint ON conrelid = attrelid"
        " AND attnum = ANY(conkey) AND contype = 'f' WHERE attrelid = %s AND NOT attnotnull",
        [relation.oid],
    ).fetchall()
    return [name for (name,) in found if name != key]


def _point(scene: Scene, relation: Relation, values: dict[str, Any]) -> Outcome:
    scene.tried.add((relation.name, "UPDATE of a key"))
    assigned = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder()) for name in values
    )
    query = sql.SQL("UPDATE {} SET ").format(relation.path) + assigned
    return scene.run(query, *values.values())


def _masked(outcome: Outcome, value: str) -> Outcome:
    said = outcome.said.replace(value, "…")
    return Outcome(outcome.state, outcome.count, outcome.rows, said)


def unique_values_tell_of_rows_of_others(scene: Scene) -> Iterator[str]:
    """A value that theirs have is as free here as one that nobody has, the key included.

    Also for ON CONFLICT DO NOTHING, which says by the number of rows whether it was free.
    """
    for relation in scene.tables:
        if relation.tenant in {None, "id"}:  # an organisation is not made here, whatever its key
            continue
        ours, theirs = (scene.row(relation, each) for each in (scene.ours, scene.theirs))
        indexes = scene.connection.execute(_UNIQUE, [relation.oid]).fetchall()
        opened = relation.tenant == "org_id" and relation.name not in scene.writable
        # What only the owner writes is written here as well, or nobody would ask its index.
        with scene.without_our_rows(relation), scene.attacker("axai_app", opened=opened):
            for index, columns in indexes:
                scene.tried.add((relation.name, "INSERT of a unique value"))
                fresh = _fresh(scene, relation, columns, theirs)
                taken = {name: theirs[name] for name in fresh}
                for ending in ENDINGS:
                    said = [
                        _masked_all(scene.run(insertion(relation, row, ending), Jsonb(row)), row)
                        for row in ({**ours, **taken}, {**ours, **fresh})
                    ]
                    if said[0] != said[1] or said[1].state == "23505":
                        yield f"{index} of {relation.name} {ending}: {said[0]} and {said[1]}"


def _fresh(
    scene: Scene, relation: Relation, names: list[str], row: dict[str, Any]
) -> dict[str, Any]:
    """Return values that nobody has, for the columns of an index that are free to differ."""
    table = scene.writable.get(relation.name)
    fixed = {relation.tenant, *(table.choices if table else ())}
    changed: dict[str, Any] = {}
    for name in names:
        if isinstance(row[name], int):
            changed[name] = row[name] + 2**29
        elif row[name] is not None and name not in fixed:
            changed[name] = f"{uuid.uuid4()}{'@x' if '@' in row[name] else ''}"
    return changed


def _masked_all(outcome: Outcome, row: dict[str, Any]) -> Outcome:
    for value in row.values():
        if isinstance(value, str):
            outcome = _masked(outcome, value)
    return outcome


ATTACKS: Final = (keys_tell_of_rows_of_others, unique_values_tell_of_rows_of_others)
