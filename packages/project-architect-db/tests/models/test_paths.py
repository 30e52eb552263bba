"""No path of a document leads out of its root, through any door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from sqlalchemy import update

from andamios_orm.bulk import bulk_create
from andamios_orm.exceptions import BulkRefused, ValueRefused
from andamios_orm.models.paths import checked_path
from project_architect_db.models import Document
from project_architect_db.repositories import DocumentRepository, ProjectRepository
from project_architect_db.schemas import DocumentCreate

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Session

HOSTILE = [
    "",
    "/etc/passwd",
    "../secret",
    "a/../../secret",
    "a/..",
    "..",
    ".",
    "./a",
    "a/./b",
    "a//b",
    "a/",
    "~/secret",
    "~root/.ssh/id",
    "..\\secret",
    "a\\..\\..\\secret",
    "C:\\secret",
    "C:secret",
    "\\\\server\\share",
    "//server/share",
    "file:///etc/passwd",
    "a\x00.md",
    "a\nb",
    "a\x7f",
    "con",
    "docs/NUL.txt",
    "lpt1.md",
    "a./b",
    "a /b",
    " a",
    "...",
    "a.md:stream",
    "a\ud800",
    "x" * 256,
    "a/" * 500 + "a",
    "é" * 200,
    "..%2f..%2fsecret/..",
]
GOOD = ["a.md", "docs/a.md", ".github/a.yml", "..a/b..c", "año/ñ.md", "%2e%2e/a", "a~/b"]


@pytest.mark.unit
@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_could_lead_out_is_refused(path: str) -> None:
    with pytest.raises(ValueRefused, match="write a path below the root"):
        checked_path(path)
    with pytest.raises(ValidationError):
        DocumentCreate(project_id=1, name="a", file_path=f"{path}/..")


@pytest.mark.unit
@pytest.mark.parametrize("path", GOOD)
def test_a_path_below_the_root_is_taken_as_it_is(path: str) -> None:
    assert checked_path(path) == path
    assert DocumentCreate(project_id=1, name="a", file_path=path).file_path == path


@pytest.mark.unit
def test_what_is_no_text_is_no_path() -> None:
    with pytest.raises(ValueRefused, match="a path is text"):
        checked_path(7)


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.sampled(2)
async def test_no_door_lets_a_hostile_path_in(
    session: Session, project_values: Callable[..., dict[str, Any]]
) -> None:
    project = await ProjectRepository(session).create(project_values())
    documents = DocumentRepository(session)
    good = await documents.create({"project_id": project.id, "name": "a", "file_path": "a.md"})
    key = good.id

    row = {"project_id": project.id, "name": "b", "file_path": "../b"}
    with pytest.raises(ValueRefused):
        await documents.create(row)
    with pytest.raises(ValueRefused):
        await documents.update(key, {"file_path": "/etc/passwd"})
    with pytest.raises(BulkRefused):
        await bulk_create(session, Document, [row])
    with pytest.raises(ValueRefused):
        await session.execute(update(Document).values(file_path="a/../../b"))

    await session.rollback()
