"""The whole life of a project, through every phase, and its past read back as of each step."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pytest

from andamios_orm.core import check_integrity
from andamios_orm.exceptions import NotFound
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
    from project_architect_db.models import Conversation, Document, Project, Repository

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(2)]

DAY = 86_400
WORDS = ("scaffold", "crane", "mortar", "beam", "gutter", "rivet", "plaster")
"""What the plan is about, in the phases after the first."""
BROKEN = "design"
"""The phase whose build fails."""


class Step(NamedTuple):
    """When a step was done, and how many versions the plan had then."""

    name: str
    done_at: dt.datetime
    changed_at: dt.datetime
    versions: int


class Work(NamedTuple):
    """The repositories of one who works, and what they work on."""

    projects: ProjectRepository
    conversations: ConversationRepository
    documents: DocumentRepository
    repositories: RepositoryRepository
    project: Project
    talk: Conversation
    plan: Document
    code: Repository


Life: TypeAlias = tuple[Work, list[Step]]


async def begin(database: Database, values: dict[str, Any]) -> Work:
    """Return what Ana has begun."""
    projects = ProjectRepository(database, viewer="ana")
    conversations = ConversationRepository(database, viewer="ana")
    documents = DocumentRepository(database, viewer="ana")
    repositories = RepositoryRepository(database, viewer="ana")
    project = await projects.create(values)
    talk = await conversations.create({"project_id": project.id})
    plan = await documents.create(
        {"project_id": project.id, "name": "Plan", "content": "nothing yet\n"}
    )
    code = await repositories.create({"project_id": project.id, "name": "api"})
    return Work(projects, conversations, documents, repositories, project, talk, plan, code)


async def live_through(work: Work, phase: str, word: str) -> None:
    """Talk, go on to ``phase``, write down what was decided, read it, build it."""
    question = {"role": "user", "content": f"What about the {word}?", "tokens": 5}
    await work.conversations.add_message(work.talk.id, question)
    await work.conversations.add_message(work.talk.id, {"role": "assistant", "content": "Yes."})
    await work.conversations.advance_phase(work.talk.id)
    await work.documents.add_version(work.plan.id, f"We have a {word}.\n", note=phase)
    (found,) = await work.documents.search_content(word.upper())
    await work.documents.record_access(found.id)
    await work.projects.update(
        work.project.id, {"architecture": {"components": [*WORDS[: WORDS.index(word) + 1]]}}
    )
    status = "failed" if phase == BROKEN else "succeeded"
    await work.repositories.record_build(work.code.id, {"status": status, "commit": word})


@pytest.fixture
async def life(
    database: Database, project_values: Callable[..., dict[str, Any]], frozen_clock: FrozenClock
) -> Life:
    """Return a project that has lived, and the steps of its life."""
    steps: list[Step] = []

    async def end(name: str) -> None:
        versions = await work.documents.versions(work.plan.id)
        # PostgreSQL dates changes itself, by a clock that does not stand still.
        changed_at = (await work.projects.history(work.project.id))[-1].time
        steps.append(Step(name, frozen_clock.now(), changed_at, len(versions)))
        frozen_clock.tick(DAY)

    with acting_as("ana"):
        work = await begin(database, project_values())
        await end(PHASES[0])
        await work.projects.update(work.project.id, {"status": "active"})
        for phase, word in zip(PHASES[1:], WORDS, strict=True):
            await live_through(work, phase, word)
            await end(phase)
        release = {"status": "succeeded", "release": "v1"}
        await work.repositories.record_deployment(work.code.id, release)
        await work.projects.update(work.project.id, {"status": "completed"})
        await end("completed")
        await work.projects.update(work.project.id, {"status": "archived"})
        await end("archived")
    return work, steps


@pytest.mark.slow
async def test_a_project_is_read_as_of_each_step(
    life: Life,
) -> None:
    work, steps = life

    read = [await work.projects.as_of(work.project.id, step.changed_at) for step in steps]
    earlier = steps[0].changed_at - dt.timedelta(days=1)

    assert await work.projects.as_of(work.project.id, earlier) is None
    rows = [each for each in read if each is not None]
    states = [(each["status"], (each["architecture"] or {}).get("components")) for each in rows]
    assert states == [
        ("draft", None),
        *(("active", list(WORDS[:count])) for count in range(1, len(WORDS) + 1)),
        ("completed", list(WORDS)),
        ("archived", list(WORDS)),
    ]
    scores = [each["complexity_score"] for each in rows]
    assert scores[0] is None
    assert scores[1:] == sorted(scores[1:])
    history = await work.projects.history(work.project.id)
    assert [version.kind for version in history] == ["create", *["update"] * 10]
    assert {version.actor for version in history} == {"ana"}


@pytest.mark.slow
async def test_a_project_is_whole_in_the_end(life: Life, database: Database) -> None:
    work, steps = life

    whole = ProjectSchema.model_validate(await work.projects.get(work.project.id))
    spoken = ConversationSchema.model_validate(await work.conversations.get(work.talk.id))
    stats = await work.repositories.build_stats(work.code.id)
    page = await work.projects.get_with_all(work.project.id)

    assert (whole.status, whole.owner) == ("archived", "ana")
    assert whole.completed_at == steps[-2].done_at
    assert [len(whole.conversations), len(whole.documents), len(whole.repositories)] == [1, 1, 1]
    assert (spoken.phase, spoken.message_count, spoken.token_count) == ("done", 14, 35)
    assert [each.phase for each in spoken.phase_history] == list(PHASES)
    assert {each.seconds for each in spoken.phase_history[:-1]} == {DAY}
    assert (stats.total, stats.by_status) == (7, {"failed": 1, "succeeded": 6})
    assert RepositorySchema.model_validate(await work.repositories.get(work.code.id)).name == "api"
    assert page is not None
    assert [each.release for each in page.repositories[0].deployments] == ["v1"]
    async with database.session() as session:
        assert await check_integrity(session, Base.metadata) == []


@pytest.mark.slow
async def test_a_document_is_read_as_of_each_step(
    life: Life,
) -> None:
    work, steps = life
    versions = await work.documents.versions(work.plan.id)

    texts = [await work.documents.content_of(work.plan.id, step.versions) for step in steps]

    expected = ["nothing yet\n", *(f"We have a {word}.\n" for word in WORDS)]
    assert texts == [*expected, expected[-1], expected[-1]]
    assert [each.changed_at for each in versions] == [each.done_at for each in steps[:-2]]
    assert [each.note for each in versions] == [None, *PHASES[1:]]
    written = DocumentSchema.model_validate(await work.documents.get(work.plan.id))
    assert (written.content, written.note) == (expected[-1], "done")
    assert [each.id for each in await work.documents.search_content("plaster")] == [work.plan.id]
    assert await work.documents.search_content("crane") == []
    assert (await work.documents.usage_stats(work.project.id)).accesses == 7
    assert "-nothing yet\n+We have a plaster.\n" in await work.documents.diff(work.plan.id, 1)


@pytest.mark.slow
async def test_the_life_of_a_project_is_its_members_only(life: Life, database: Database) -> None:
    work, steps = life
    eva = ProjectRepository(database, viewer="eva")
    documents = DocumentRepository(database, viewer="eva")

    with pytest.raises(NotFound):
        await eva.history(work.project.id)
    assert await documents.search_content("plaster") == []

    await work.projects.add_member(work.project.id, "eva")

    state = await eva.as_of(work.project.id, steps[0].changed_at)
    assert state is not None
    assert state["status"] == "draft"
    assert len(await documents.search_content("plaster")) == 1
