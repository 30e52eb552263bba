"""10,000 projects at once, by each way in, against what the driver takes for their rows alone.

Two floors are there. ``raw`` writes the rows of projects and nothing else, unchecked, with
framework and score given. ``all tables`` writes from the same columns all that ours leaves:
rows, one change, their history as JSON and the sums by day, in one transaction.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from andamios_orm import run
from benchmarks.measure import Bound, Figure, Places, Scale, Values, measured
from benchmarks.project_architect_db.contenders import Contenders, opened
from benchmarks.project_architect_db.driver import (
    Rows,
    all_arrow,
    all_dicts,
    as_arrow,
    raw_arrow,
    raw_dicts,
    values,
)
from project_architect_db.queries import BulkOperations
from project_architect_db.repositories import ProjectRepository
from project_architect_db.schemas.project import ProjectCreate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from project_architect_db.core.engine import DatabaseEngine
    from project_architect_db.models import Project

__all__ = ["FIGURES", "whole_run"]


async def insert_projects(database: DatabaseEngine, rows: Any) -> list[int]:
    """Insert dicts or Arrow, checked by the column, and get their keys."""
    async with database.transaction() as session:
        created: Any = await BulkOperations.bulk_insert_projects(session, rows)
    keys: list[int] = created.ids
    return keys


async def bulk_create(database: DatabaseEngine, rows: Any) -> list[int]:
    """Do the same through the repository."""
    async with database.transaction() as session:
        created = await ProjectRepository(session).bulk_create(rows)
    return created.ids


async def bulk_models(database: DatabaseEngine, rows: Rows) -> Sequence[Project]:
    """Insert dicts, checked with pydantic, and get instances."""
    async with database.transaction() as session:
        created = await ProjectRepository(session).bulk_create(rows, schema=ProjectCreate)
    return list(created)


_WRITTEN = (
    "ours checks each value, works out framework and score, and writes the rows a second time: "
    "as history, with the change and the sums, in the same transaction"
)
_MADE_HERE = (
    "both write the same, but ours checks each value, works out framework and score, and makes "
    "the sums in Python; the floor is given the first two, and has the database make the others "
    "out of its rows"
)
_PYDANTIC = "; before that pydantic makes a model of each row, and after it an instance is made"
_ENGINE = "it writes the log of 10,000 rows with two indexes"

FIGURES = (
    Figure(
        "projects_arrow",
        "10,000 projects of Arrow, their keys back",
        {"raw": raw_arrow, "all tables": all_arrow, "ours": insert_projects},
        (Bound(1.3, "raw", reason=_WRITTEN), Bound(1.3, "all tables", reason=_MADE_HERE)),
        target=50.0,
        note=_ENGINE,
    ),
    Figure(
        "projects_dicts",
        "BulkOperations.bulk_insert_projects, 10,000 dicts checked, their keys back",
        {"raw": raw_dicts, "all tables": all_dicts, "ours": insert_projects},
        (Bound(1.3, "raw", reason=_WRITTEN), Bound(1.3, "all tables", reason=_MADE_HERE)),
        target=50.0,
        note=_ENGINE,
    ),
    Figure(
        "projects_bulk_create",
        "bulk_create, 10,000 dicts checked, their keys back",
        {"raw": raw_dicts, "all tables": all_dicts, "ours": bulk_create},
        (Bound(1.3, "raw", reason=_WRITTEN), Bound(1.3, "all tables", reason=_MADE_HERE)),
        target=50.0,
        note=_ENGINE,
    ),
    Figure(
        "projects_models",
        "bulk_create, 10,000 dicts through pydantic, instances back",
        {"raw": raw_dicts, "all tables": all_dicts, "ours": bulk_models},
        (
            Bound(2.2, "raw", reason=_WRITTEN + _PYDANTIC),
            Bound(2.2, "all tables", reason=_MADE_HERE + _PYDANTIC),
        ),
        target=50.0,
        note=_ENGINE,
    ),
)


def whole_run(scale: Scale) -> dict[str, Places]:
    """Return the values of one run, on a file."""
    with tempfile.TemporaryDirectory() as folder:
        found = run(_measure(Path(folder), scale))
    return {name: {"file": times} for name, times in found.items()}


async def _measure(folder: Path, scale: Scale) -> dict[str, dict[str, Values]]:
    rows = [values(number) for number in range(scale.bulk_rows)]
    few = replace(scale, block=1, rounds=max(2, scale.rounds // 2), idle=scale.idle // 10)
    async with opened(folder, 1_000) as contenders:
        return {
            "projects_arrow": await _arrow(contenders, as_arrow(rows), few),
            "projects_dicts": await _dicts(contenders, rows, insert_projects, few),
            "projects_bulk_create": await _dicts(contenders, rows, bulk_create, few),
            "projects_models": await _dicts(contenders, rows, bulk_models, few),
        }


async def _arrow(contenders: Contenders, table: Any, scale: Scale) -> dict[str, Values]:
    return await measured(
        {
            "raw": lambda: raw_arrow(contenders.raw, table),
            "all tables": lambda: all_arrow(contenders.raw, table),
            "ours": lambda: insert_projects(contenders.database, table),
        },
        scale,
    )


async def _dicts(contenders: Contenders, rows: Rows, ours: Any, scale: Scale) -> dict[str, Values]:
    return await measured(
        {
            "raw": lambda: raw_dicts(contenders.raw, rows),
            "all tables": lambda: all_dicts(contenders.raw, rows),
            "ours": lambda: ours(contenders.database, rows),
        },
        scale,
    )
