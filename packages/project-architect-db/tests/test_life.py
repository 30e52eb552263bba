"""The whole life of a project, through every phase, and its past read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.core import check_integrity
from andamios_orm.models import acting_as
from project_architect_db.models import Base
from project_architect_db.models.conversation import PHASES
from project_architect_db.repositories import (
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    RepositoryRepository,
)
from project_architect_db.schemas import (
    ConversationSchema,
    DocumentSchema,
    ProjectSchema,
    RepositorySchema,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database
    from andamios_orm.testing.clock import FrozenClock

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(2)]

DAY = 86_400


async def test_a_project_from_its_idea_to_its_archive(
    database: Database, project_values: Callable[..., dict[str, Any]], frozen_clock: FrozenClock
) -> None:
    projects = ProjectRepository(database, viewer="ana")
    conversations = ConversationRepository(database, viewer="ana")
    documents = DocumentRepository(database, viewer="ana")
    repositories = RepositoryRepository(database, viewer="ana")

    with acting_as("ana"):
        project = await projects.create(project_values())
        talk = await conversations.create({"project_id": project.id})
        await projects.update(project.id, {"status": "active"})
        plan = await documents.create({"project_id": project.id, "name": "Plan", "content": "0"})
        code = await repositories.create({"project_id": project.id, "name": "api"})
        for number, phase in enumerate(PHASES[1:], 1):
            await conversations.add_message(talk.id, {"role": "user", "content": f"to {phase}"})
            frozen_clock.tick(DAY)
            await conversations.advance_phase(talk.id)
            await documents.add_version(plan.id, f"{number}", note=phase)
            await documents.record_access(plan.id)
            status = "failed" if number == 3 else "succeeded"
            await repositories.record_build(code.id, {"status": status})
        await repositories.record_deployment(code.id, {"status": "succeeded", "release": "v1"})
        await projects.update(project.id, {"status": "completed"})
        await projects.update(project.id, {"status": "archived"})

    whole = ProjectSchema.model_validate(await projects.get(project.id))
    assert (whole.status, whole.owner) == ("archived", "ana")
    assert whole.completed_at == frozen_clock.now()
    assert [len(whole.conversations), len(whole.documents), len(whole.repositories)] == [1, 1, 1]
    spoken = ConversationSchema.model_validate(await conversations.get(talk.id))
    assert (spoken.phase, spoken.message_count) == ("done", 7)
    assert [each.phase for each in spoken.phase_history] == list(PHASES)
    assert {each.seconds for each in spoken.phase_history[:-1]} == {DAY}
    written = DocumentSchema.model_validate(await documents.get(plan.id))
    assert (written.content, written.note) == ("7", "done")
    assert [each.note for each in await documents.versions(plan.id)] == [None, *PHASES[1:]]
    assert (await documents.usage_stats(project.id)).accesses == 7
    stats = await repositories.build_stats(code.id)
    assert stats.total == 7
    assert stats.success_rate == pytest.approx(6 / 7)
    assert RepositorySchema.model_validate(await repositories.get(code.id)).name == "api"

    history = await projects.history(project.id)
    states = [await projects.as_of(project.id, version.time) for version in history]
    assert [version.actor for version in history] == ["ana"] * 4
    assert [version.after and version.after["status"] for version in history] == [
        "draft",
        "active",
        "completed",
        "archived",
    ]
    assert states[-1] is not None
    assert states[-1]["status"] == "archived"
    async with database.session() as session:
        assert await check_integrity(session, Base.metadata) == []
