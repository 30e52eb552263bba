"""The whole life of a project: idea, phases, documents, builds, completion, archive, past.

Shows all four repositories at work for one team: who acts and who may see it, a conversation
through every phase, a plan with a version for each of them, builds and a release, and the
project as it was at any time.

Prints a line for each phase, and the past in the end. Costs: about ten transactions for a phase;
on a database each call is one, and several calls in ``transaction()`` are one together.

Edge cases: an archived project keeps when it was completed; one that becomes active again
has not been; deleting it takes its conversations, documents and repositories along, and
``restore`` brings them back; who is no member finds nothing of all this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from andamios_orm import run
from andamios_orm.exceptions import NotFound
from andamios_orm.models import acting_as
from project_architect_db.core import DatabaseEngine
from project_architect_db.models.conversation import PHASES
from project_architect_db.repositories import (
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    RepositoryRepository,
)
from project_architect_db.schemas import DocumentCreate, ProjectCreate, RepositoryCreate

if TYPE_CHECKING:
    from project_architect_db.models import Conversation, Document, Project, Repository

SERVICES = ("api", "worker", "search", "mail", "billing", "reports", "live")


@dataclass(frozen=True)
class Team:
    """What Ana works with, and on: she sees her projects only."""

    projects: ProjectRepository
    conversations: ConversationRepository
    documents: DocumentRepository
    repositories: RepositoryRepository
    project: Project
    talk: Conversation
    plan: Document
    code: Repository


async def begin(engine: DatabaseEngine) -> Team:
    """An idea, a conversation about it, a plan, and a repository: all of them or none."""
    async with engine.transaction() as session:
        project = await ProjectRepository(session).create(
            ProjectCreate(name="Torre", project_idea="A tower with a view over all projects")
        )
        talk = await ConversationRepository(session).create({"project_id": project.id})
        plan = await DocumentRepository(session).create(
            DocumentCreate(project_id=project.id, name="Plan", content="Nothing yet.\n")
        )
        code = await RepositoryRepository(session).create(
            RepositoryCreate(project_id=project.id, name="torre")
        )
    print(f"begun by {project.owner}: {project.name} ({project.status})")
    return Team(
        ProjectRepository(engine, viewer="ana"),
        ConversationRepository(engine, viewer="ana"),
        DocumentRepository(engine, viewer="ana"),
        RepositoryRepository(engine, viewer="ana"),
        *(project, talk, plan, code),
    )


async def live_through(team: Team, phase: str, number: int) -> None:
    """Talk, decide, write it down, build it."""
    await team.conversations.add_messages(
        team.talk.id,
        [
            {"role": "user", "content": f"What about {SERVICES[number]}?"},
            {"role": "assistant", "content": "It becomes a service of its own."},
        ],
    )
    await team.conversations.advance_phase(team.talk.id)
    services = list(SERVICES[: number + 1])
    project = await team.projects.update(
        team.project.id,
        {"architecture": {"framework": "FastAPI", "services": services}, "status": "active"},
    )
    text = "".join(f"- {service}\n" for service in services)
    await team.documents.add_version(team.plan.id, text, note=phase)
    status = "failed" if phase == "design" else "succeeded"
    await team.repositories.record_build(team.code.id, {"status": status, "branch": "main"})
    print(f"  {phase}: {len(services)} services, complexity {project.complexity_score}")


async def end(team: Team) -> None:
    """A release, and the project is completed, then archived."""
    await team.repositories.record_deployment(
        team.code.id, {"status": "succeeded", "environment": "production", "release": "v1.0"}
    )
    await team.projects.update(team.project.id, {"status": "completed"})
    project = await team.projects.update(team.project.id, {"status": "archived"})
    print("ended:", project.status, "- completed:", project.completed_at is not None)


async def look_back(team: Team) -> None:
    """Every change is there, and every state."""
    talk = await team.conversations.get(team.talk.id)
    print("phases:", " > ".join(each["phase"] for each in talk.phase_history))
    print("found:", [each.name for each in await team.documents.search_content("billing")])
    print("the plan grew:", (await team.documents.diff(team.plan.id, 2)).count("\n+-"), "lines")
    stats = await team.repositories.build_stats(team.code.id)
    print(f"builds: {stats.by_status}, {stats.success_rate or 0:.0%} of them good")
    history = await team.projects.history(team.project.id)
    for version in (history[0], history[len(history) // 2], history[-1]):
        state = await team.projects.as_of(team.project.id, version.time) or {}
        services = (state["architecture"] or {}).get("services", [])
        print(f"  change {version.version}: {state['status']}, {len(services)} services")


async def whose_it_is(engine: DatabaseEngine, team: Team) -> None:
    """Eva finds nothing before she is a member; a deletion can be taken back."""
    eva = ProjectRepository(engine, viewer="eva")
    try:
        await eva.get(team.project.id)
    except NotFound as error:
        print("for eva:", error)
    await team.projects.add_member(team.project.id, "eva", role="reader")
    whole = await eva.get_with_all(team.project.id)
    print("for eva, a reader:", [each.name for each in whole.documents] if whole else None)
    await team.projects.delete(team.project.id)
    print("deleted:", await team.documents.count(), "documents are left")
    await team.projects.restore(team.project.id)
    print("restored:", await team.documents.count(), "document is back")


async def main() -> None:
    """Live a life in a database in memory."""
    async with DatabaseEngine("duckdb:///:memory:") as engine:
        await engine.initialize()
        with acting_as("ana"):
            team = await begin(engine)
            for number, phase in enumerate(PHASES[1:]):
                await live_through(team, phase, number)
            await end(team)
        await look_back(team)
        await whose_it_is(engine, team)


if __name__ == "__main__":
    run(main())
