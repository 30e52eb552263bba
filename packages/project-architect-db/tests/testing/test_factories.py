"""What factories make goes into repositories, and is the same in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.testing.factories import seed
from project_architect_db.models import Conversation
from project_architect_db.repositories import (
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    RepositoryRepository,
)
from project_architect_db.testing.factories import (
    CodeRepositoryFactory,
    ConversationFactory,
    DocumentFactory,
    ProjectFactory,
)

if TYPE_CHECKING:
    from andamios_orm import Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


@pytest.mark.slow
async def test_what_is_built_can_be_created(session: Session) -> None:
    projects = ProjectRepository(session)
    project = await projects.create(ProjectFactory.build())
    children: list[tuple[Any, Any]] = [
        (ConversationRepository(session), ConversationFactory.build(project_id=project.id)),
        (DocumentRepository(session), DocumentFactory.build(project_id=project.id)),
        (RepositoryRepository(session), CodeRepositoryFactory.build(project_id=project.id)),
    ]

    created = [await repository.create(child) for repository, child in children]

    assert [child.project_id for child in created] == [project.id] * 3
    assert isinstance(project.complexity_score, int)
    assert created[0].last_message_at is None


@pytest.mark.slow
async def test_a_child_gets_a_project_of_its_own(session: Session) -> None:
    message = {"role": "user", "content": "hello"}

    conversation = await ConversationFactory.create(session, messages=[message])

    assert isinstance(conversation, Conversation)
    assert conversation.project.name
    assert await ProjectRepository(session).count() == 1


async def test_many_rows_are_made_at_once(session: Session) -> None:
    created = await DocumentFactory.create_batch(session, 20)

    assert len(created) == 20
    assert {document.word_count for document in created} == {10}


def test_the_values_follow_from_the_seed() -> None:
    seed("a")
    first = [ProjectFactory.build().name for _ in range(3)]
    seed("a")

    assert [ProjectFactory.build().name for _ in range(3)] == first
