"""Digits in a cell of text: an id, a name, or a question back."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from project_architect_db.importers import RowsRefused, import_files
from project_architect_db.models import Build, Document
from project_architect_db.repositories import ProjectRepository, RepositoryRepository

if TYPE_CHECKING:
    from andamios_orm import Database

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


async def project(database: Database, name: str) -> int:
    values = {"name": name, "project_idea": "A scaffold for the data of a team"}
    return (await ProjectRepository(database).create(values)).id


async def repository(database: Database, name: str, project_id: int) -> int:
    values = {"name": name, "project_id": project_id}
    return (await RepositoryRepository(database).create(values)).id


async def imported(database: Database, entity: str, *lines: str) -> None:
    rows = io.BytesIO("\n".join(lines).encode())
    await import_files(database, rows, entity, format="csv")


async def belonging(database: Database, column: Any) -> list[int]:
    async with database.session() as session:
        return list(await session.scalars(select(column).order_by(column.class_.id)))


async def test_a_project_is_meant_by_its_id_or_by_digits_that_are_its_name(
    database: Database,
) -> None:
    shop, year = await project(database, "Shop"), await project(database, "2026")

    await imported(database, "document", "name,project", f"a.md,{shop}", "b.md,2026")

    assert await belonging(database, Document.project_id) == [shop, year]


async def test_a_repository_is_meant_likewise(database: Database) -> None:
    shop = await project(database, "Shop")
    api, year = await repository(database, "api", shop), await repository(database, "2026", shop)

    await imported(
        database,
        "build",
        "repository,status,started_at",
        f"{api},failed,2026-01-01T12:00:00Z",
        "2026,failed,2026-01-01T12:00:00Z",
    )

    assert await belonging(database, Build.repository_id) == [api, year]


async def test_a_project_that_has_its_own_id_as_its_name_is_one(database: Database) -> None:
    first = await project(database, "Shop")
    own = await project(database, str(first + 1))

    await imported(database, "document", "name,project", f"a.md,{own}")

    assert await belonging(database, Document.project_id) == [own]


async def test_digits_that_are_an_id_and_a_name_are_refused(database: Database) -> None:
    shop = await project(database, "Shop")
    other = await project(database, str(shop))
    api = await repository(database, "api", shop)
    named = await repository(database, str(api), shop)
    said = "is the id of one and the name of another: say"

    with pytest.raises(RowsRefused, match=f"{said} project_id, one of {other}, {shop}"):
        await imported(database, "document", "name,project", f"a.md,{shop}")
    with pytest.raises(RowsRefused, match=f"{said} repository_id, one of {named}, {api}"):
        await imported(database, "build", "repository,status", f"{api},failed")


async def test_a_number_that_is_no_text_is_an_id(database: Database) -> None:
    await project(database, "2026")
    row = json.dumps({"name": "a.md", "project": 2026})

    with pytest.raises(RowsRefused, match="project: project 2026 does not exist") as refused:
        await import_files(database, io.BytesIO(row.encode()), "document", format="ndjson")

    assert "name" not in str(refused.value)
