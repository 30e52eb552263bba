"""One project: created, read, changed, deleted; and one more message in a conversation."""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from andamios_orm import run
from benchmarks.measure import Bound, Figure, Places, Scale, Values, measured
from benchmarks.project_architect_db.contenders import Contenders, opened
from benchmarks.project_architect_db.driver import values
from project_architect_db.repositories import ConversationRepository, ProjectRepository

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection as Connection

    from project_architect_db.core.engine import DatabaseEngine
    from project_architect_db.models import Project

__all__ = ["FIGURES", "PROJECTS", "whole_run"]

PROJECTS = 10_000

INSERT = """
INSERT INTO projects (name, description, project_idea, architecture, status, owner, is_sample,
    framework, complexity_score, created_at, updated_at, version)
VALUES ($name, $description, $project_idea, $architecture, $status, $owner, false, $framework,
    $complexity_score, $now, $now, 1)
RETURNING id
"""
CHANGE = """
INSERT INTO andamios_changes (position, time, entity, key, kind, count)
SELECT max(position) + 1, $now, 'projects', $key, $kind, 1 FROM andamios_changes RETURNING position
"""
HISTORY = """
INSERT INTO andamios_history (entity, key, position, time, kind, version, before, after)
VALUES ('projects', $key, $position, $now, $kind, 1, $before, $after)
"""
SUMS = "INSERT INTO rollup_deltas SELECT unnest($day), unnest($kind), unnest($key), 1"


def raw_create(connection: Connection, given: Mapping[str, Any]) -> Any:
    """Insert a row and get its key; what is derived is given."""
    cursor = connection.cursor()
    cursor.begin()
    row = {
        **given,
        "architecture": orjson.dumps(given["architecture"]).decode(),
        "framework": "FastAPI",
        "complexity_score": 21,
        "now": dt.datetime.now(dt.UTC),
    }
    key = cursor.execute(INSERT, row).fetchone()
    cursor.commit()
    return key


def all_create(connection: Connection, given: Mapping[str, Any]) -> Any:
    """Insert it with what ours leaves in other tables: a change, its history, three sums."""
    cursor = connection.cursor()
    cursor.begin()
    now = dt.datetime.now(dt.UTC)
    architecture = orjson.dumps(given["architecture"]).decode()
    row = {**given, "architecture": architecture, "framework": "FastAPI", "complexity_score": 21}
    found = cursor.execute(INSERT, {**row, "now": now}).fetchone()
    assert found is not None
    about = {"key": str(found[0]), "kind": "create", "now": now}
    position = cursor.execute(CHANGE, about).fetchone()
    assert position is not None
    after = orjson.dumps({**row, "id": found[0], "created_at": now, "updated_at": now}).decode()
    cursor.execute(HISTORY, {**about, "position": position[0], "before": None, "after": after})
    kinds = ["project.status", "project.framework", "project.complexity"]
    sums = {"day": [now.date()] * 3, "kind": kinds, "key": [given["status"], "FastAPI", "20"]}
    cursor.execute(SUMS, sums)
    cursor.commit()
    return found


async def create(database: DatabaseEngine, given: dict[str, Any]) -> Project:
    """Create it through its repository."""
    return await ProjectRepository(database).create(given)


def raw_get(connection: Connection, key: int) -> Any:
    """Read a row."""
    cursor = connection.cursor()
    cursor.begin()
    row = cursor.execute("SELECT * FROM projects WHERE id = $1", [key]).fetchone()
    cursor.rollback()
    return row


async def get(database: DatabaseEngine, key: int) -> Project | None:
    """Read an instance, and nothing with it."""
    return await ProjectRepository(database).uncached().get_by_id(key, load=())


def raw_get_all(connection: Connection, key: int) -> Any:
    """Read a row, and those that belong to it."""
    cursor = connection.cursor()
    cursor.begin()
    found = [cursor.execute("SELECT * FROM projects WHERE id = $1", [key]).fetchone()]
    for table in ("conversations", "documents", "repositories"):
        statement = f"SELECT * FROM {table} WHERE project_id = $1 AND deleted_at IS NULL"
        found += cursor.execute(statement, [key]).fetchall()
    cursor.rollback()
    return found


async def get_all(database: DatabaseEngine, key: int) -> Project | None:
    """Read an instance with its conversations, documents and repositories."""
    return await ProjectRepository(database).uncached().get_by_id(key)


def raw_update(connection: Connection, key: int, status: str) -> Any:
    """Change a row and get it back."""
    cursor = connection.cursor()
    cursor.begin()
    row = cursor.execute(
        "UPDATE projects SET status = $1, updated_at = now(), version = version + 1 WHERE id = $2 "
        "RETURNING *",
        [status, key],
    ).fetchone()
    cursor.commit()
    return row


async def update(database: DatabaseEngine, key: int, status: str) -> Project:
    """Change it through its repository, which keeps what it was before."""
    return await ProjectRepository(database).update(key, {"status": status})


def raw_delete(connection: Connection, key: int) -> None:
    """Mark a row and what belongs to it as deleted."""
    cursor = connection.cursor()
    cursor.begin()
    cursor.execute("UPDATE projects SET deleted_at = now() WHERE id = $1", [key])
    for table in ("conversations", "documents", "repositories"):
        cursor.execute(f"UPDATE {table} SET deleted_at = now() WHERE project_id = $1", [key])
    cursor.commit()


async def delete(database: DatabaseEngine, key: int) -> bool:
    """Mark it as deleted through its repository, with what belongs to it."""
    return await ProjectRepository(database).delete(key)


def raw_message(connection: Connection, key: int, content: str) -> Any:
    """Insert a message and count it."""
    cursor = connection.cursor()
    cursor.begin()
    found = cursor.execute(
        "INSERT INTO conversation_messages (conversation_id, role, content, time, words) "
        "VALUES ($1, 'user', $2, now(), 4) RETURNING id",
        [key, content],
    ).fetchone()
    cursor.execute(
        "UPDATE conversations SET message_count = message_count + 1, word_count = word_count + 4, "
        "last_message_at = now() WHERE id = $1",
        [key],
    )
    cursor.commit()
    return found


async def message(database: DatabaseEngine, key: int, content: str) -> Any:
    """Add it through the repository of conversations."""
    return await ConversationRepository(database).add_message(
        key, {"role": "user", "content": content}
    )


_MORE = (
    "raw writes one row; ours validates, and leaves a change, the row as it was before and "
    "after, and sums by day in the same transaction"
)
_ENGINE = "DuckDB itself takes this long to plan, write and commit"

FIGURES = (
    Figure(
        "project_create",
        "one new project, with its change, history and sums",
        {"raw": raw_create, "all tables": all_create, "ours": create},
        (Bound(2.0, "all tables", reason=_MORE),),
        target=1.0,
        note=_ENGINE,
    ),
    Figure(
        "project_get",
        "one project by key",
        {"raw": raw_get, "ours": get},
        (Bound(3.0, "raw"),),
        target=1.0,
        note=_ENGINE,
    ),
    Figure(
        "project_get_all",
        "one project by key, with conversations, documents and repositories",
        {"raw": raw_get_all, "ours": get_all},
        (Bound(3.0, "raw"),),
        note=_ENGINE,
    ),
    Figure(
        "project_update",
        "one project with another status",
        {"raw": raw_update, "ours": update},
        (Bound(4.0, "raw", reason=_MORE),),
        target=1.0,
        note=_ENGINE,
    ),
    Figure(
        "project_delete",
        "one project deleted softly, with what belongs to it",
        {"raw": raw_delete, "ours": delete},
        (Bound(4.0, "raw", reason=_MORE),),
        target=1.0,
        note=_ENGINE,
    ),
    Figure(
        "project_message",
        "one more message in a conversation",
        {"raw": raw_message, "ours": message},
        (Bound(3.0, "raw", reason=_MORE),),
        target=1.0,
        note=_ENGINE,
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run, on a file."""
    with tempfile.TemporaryDirectory() as folder:
        found = run(_measure(Path(folder), scale))
    return {name: {"file": times} for name, times in found.items()}


async def _measure(folder: Path, scale: Scale) -> dict[str, dict[str, Values]]:
    async with opened(folder, min(PROJECTS, scale.rows)) as contenders:
        found = await _reads(contenders, scale)
        return found | await _writes(contenders, scale)


async def _reads(contenders: Contenders, scale: Scale) -> dict[str, dict[str, Values]]:
    raw, database = contenders.raw, contenders.database
    keys = [itertools.cycle(contenders.projects[::7]) for _ in range(4)]
    return {
        "project_get": await measured(
            {
                "raw": lambda: raw_get(raw, next(keys[0])),
                "ours": lambda: get(database, next(keys[1])),
            },
            scale,
        ),
        "project_get_all": await measured(
            {
                "raw": lambda: raw_get_all(raw, next(keys[2])),
                "ours": lambda: get_all(database, next(keys[3])),
            },
            scale,
        ),
    }


async def _writes(contenders: Contenders, scale: Scale) -> dict[str, dict[str, Values]]:
    raw, database = contenders.raw, contenders.database
    numbers = [itertools.count() for _ in range(3)]
    keys = [itertools.cycle(contenders.projects[::3]) for _ in range(4)]
    states = [itertools.cycle(("active", "completed", "draft", "active")) for _ in range(2)]
    deleted = [iter(contenders.projects) for _ in range(2)]
    return {
        "project_create": await measured(
            {
                "raw": lambda: raw_create(raw, values(next(numbers[0]))),
                "all tables": lambda: all_create(raw, values(next(numbers[1]))),
                "ours": lambda: create(database, values(next(numbers[2]))),
            },
            scale,
        ),
        "project_message": await measured(
            {
                "raw": lambda: raw_message(raw, next(keys[0]), "four words to say"),
                "ours": lambda: message(database, next(keys[1]), "four words to say"),
            },
            scale,
        ),
        "project_update": await measured(
            {
                "raw": lambda: raw_update(raw, next(keys[2]), next(states[0])),
                "ours": lambda: update(database, next(keys[3]), next(states[1])),
            },
            scale,
        ),
        "project_delete": await measured(
            {
                "raw": lambda: raw_delete(raw, next(deleted[0])),
                "ours": lambda: delete(database, next(deleted[1])),
            },
            scale,
        ),
    }
