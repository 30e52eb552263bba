"""What callers say is checked, and what they are told is read from rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ValidationError

from project_architect_db import schemas
from project_architect_db.models import Project
from project_architect_db.repositories import ProjectRepository
from project_architect_db.schemas import (
    DocumentCreate,
    DocumentUpdate,
    MessageCreate,
    MessageUpdate,
    ProjectCreate,
    ProjectSchema,
    ProjectSummary,
    ProjectUpdate,
)
from project_architect_db.schemas import conversation as conversation_schemas
from project_architect_db.schemas import document as document_schemas
from project_architect_db.schemas import project as project_schemas
from project_architect_db.schemas import repository as repository_schemas

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Session

IDEA = "A scaffold for the data of a team"
MODULES = {
    "Project": project_schemas,
    "Conversation": conversation_schemas,
    "Document": document_schemas,
    "Repository": repository_schemas,
}


@pytest.mark.unit
@pytest.mark.parametrize("entity", MODULES)
def test_every_entity_has_its_schemas(entity: str) -> None:
    module = MODULES[entity]

    for name in ("Base", "Create", "Update", "", "Schema", "Summary"):
        assert issubclass(getattr(module, f"{entity}{name}"), schemas.BaseSchema)
    assert getattr(module, entity) is getattr(module, f"{entity}Schema")
    assert issubclass(getattr(module, entity), schemas.TimestampSchema)


@pytest.mark.unit
def test_text_is_stripped_and_enums_are_values() -> None:
    project = ProjectCreate.model_validate({"name": " a ", "project_idea": IDEA})

    assert (project.name, project.status) == ("a", "draft")
    project.name = " b "
    assert project.name == "b"


@pytest.mark.unit
def test_contents_keep_every_character() -> None:
    content = "    first()\n"

    assert DocumentCreate(project_id=1, name="a", content=content).content == content
    assert DocumentUpdate(content=content).content == content
    assert MessageCreate(role="user", content=content).content == content
    assert MessageUpdate(content=content).content == content


@pytest.mark.unit
@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "  "},
        {"name": "x" * 256},
        {"description": "x" * 5_001},
        {"project_idea": "short"},
        {"status": "lost"},
        {"architecture": ["no object"]},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProjectCreate.model_validate({"name": "a", "project_idea": IDEA, **wrong})
    with pytest.raises(ValidationError):
        ProjectUpdate.model_validate(wrong)


@pytest.mark.unit
def test_a_moment_without_a_zone_is_refused() -> None:
    values = {"role": "user", "content": "a"}

    assert MessageCreate.model_validate({**values, "time": "2026-01-01T00:00:00Z"}).time
    with pytest.raises(ValidationError, match="no time zone"):
        MessageCreate.model_validate({**values, "time": "2026-01-01T00:00:00"})


@pytest.mark.unit
@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
def test_the_names_of_a_module_are_schemas(module: Any) -> None:
    assert all(issubclass(getattr(module, name), BaseModel) for name in module.__all__)


@pytest.mark.integration
@pytest.mark.db
@pytest.mark.sampled(2)
async def test_a_project_is_read_as_it_stands(
    session: Session, project_values: Callable[..., dict[str, Any]]
) -> None:
    projects = ProjectRepository(session)
    created = await projects.create(ProjectCreate.model_validate(project_values()))
    changed = await projects.update(created.id, ProjectUpdate(name="Torre", version=1))

    read = ProjectSchema.model_validate(await projects.get_by_id(created.id))
    summary = ProjectSummary.model_validate(changed)

    assert (read.name, read.version, read.conversations) == ("Torre", 2, [])
    assert summary.name == "Torre"
    assert isinstance(changed, Project)
