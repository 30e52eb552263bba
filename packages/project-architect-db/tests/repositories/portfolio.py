"""A portfolio made by chance, the same each time, with something deleted of each kind."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any

from project_architect_db.models import (
    Build,
    Contributor,
    Conversation,
    ConversationMessage,
    ConversationPhase,
    Deployment,
    Document,
    DocumentAccess,
    DocumentType,
    DocumentVersion,
    Project,
    ProjectMember,
    ProjectStatus,
    Repository,
    RepositoryActivity,
    RepositoryType,
    RunStatus,
)
from project_architect_db.models.conversation import PHASES
from project_architect_db.repositories import (
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    RepositoryRepository,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database

    Values = Callable[..., dict[str, Any]]

NOW = dt.datetime(2026, 7, 1, 12, 34, 56, tzinfo=dt.UTC)
AS_OF = NOW.replace(minute=0, second=0)
DAY = dt.timedelta(days=1)
MODELS: tuple[type[Any], ...] = (
    *(Project, ProjectMember, Conversation, ConversationMessage, ConversationPhase),
    *(Document, DocumentVersion, DocumentAccess, Repository, Build, Deployment),
    *(Contributor, RepositoryActivity),
)


# ---- a portfolio ---------------------------------------------------------------------


class Portfolio:
    """Projects with all that belongs to them, some of it deleted."""

    def __init__(self, values: Values, seed: int) -> None:
        """Make it by chance, the same each time."""
        self.values = values
        self.chance = random.Random(seed)

    def moment(self, most: int = 500) -> dt.datetime:
        """Return a moment in the past, most often, to the microsecond."""
        ago = dt.timedelta(days=most * self.chance.random() ** 2 - 2)
        return NOW - ago + dt.timedelta(microseconds=self.chance.randrange(1_000_000))

    def some(self, most: int) -> range:
        """Return a range of up to ``most``."""
        return range(self.chance.randrange(most + 1))

    def project(self) -> Project:
        """Return a project with all that belongs to it."""
        created = self.moment()
        status = self.chance.choice([*ProjectStatus])
        is_finished = status == "completed" or (status == "archived" and self.chance.random() < 0.5)
        spent = dt.timedelta(seconds=self.chance.uniform(-1_000, 9e6))
        plan = {
            "framework": self.chance.choice("abcdefghijklm"),
            "services": self.chance.randrange(40),
        }
        return Project(
            **self.values(
                status=status,
                architecture=self.chance.choice([None, plan, plan, {"framework": "a"}]),
            ),
            owner=self.chance.choice(["ana", "ben"]),
            created_at=created,
            updated_at=created + DAY * self.chance.randrange(5),
            completed_at=created + spent if is_finished else None,
            members=[ProjectMember(member="ana")] if self.chance.random() < 0.2 else [],
            conversations=[self.conversation() for _ in self.some(3)],
            documents=[self.document() for _ in self.some(3)],
            repositories=[self.repository() for _ in self.some(2)],
        )

    def conversation(self) -> Conversation:
        """Return a conversation with messages and phases."""
        created = self.moment()
        phases = self.chance.choices([*PHASES, "odd"], k=self.chance.randrange(4))
        past, entered = [], created
        for phase in phases:
            left = entered + dt.timedelta(seconds=self.chance.uniform(0, 4e6))
            seconds = (left - entered).total_seconds()
            past.append(
                ConversationPhase(phase=phase, entered_at=entered, left_at=left, seconds=seconds)
            )
            entered = left
        return Conversation(
            created_at=created,
            phase=self.chance.choice([*PHASES, "other"]),
            phase_entered_at=entered,
            past_phases=past,
            messages=[
                {
                    "role": self.chance.choice(["user", "user", "assistant", "Zed", "system"]),
                    "content": "word " * self.chance.choice([0, 3, 9, 10, 60, 250, 1_000]) + "end",
                    "time": self.moment(),
                    "tokens": self.chance.choice([None, 5, 17]),
                }
                for _ in self.some(4)
            ],
        )

    def document(self) -> Document:
        """Return a document with versions and readers."""
        return Document(
            name="doc",
            doc_type=self.chance.choice([*DocumentType]),
            content="text é " * self.chance.randrange(60),
            created_at=self.moment(),
            changed_at=self.moment(),
            past_versions=[
                DocumentVersion(number=number, content="old", changed_at=self.moment())
                for number in self.some(3)
            ],
            accesses=[
                DocumentAccess(
                    accessed_at=self.moment(), accessed_by=self.chance.choice([None, "ana", "ben"])
                )
                for _ in self.some(4)
            ],
        )

    def repository(self) -> Repository:
        """Return a repository with what happens in one."""
        return Repository(
            name="code",
            repo_type=self.chance.choice([*RepositoryType]),
            language=self.chance.choice([None, "Python", "Go", "c"]),
            created_at=self.moment(),
            builds=[Build(**self.run()) for _ in self.some(5)],
            deployments=[Deployment(**self.run()) for _ in self.some(2)],
            contributors=[
                Contributor(email=email, name=email.title(), commits=self.chance.randrange(9))
                for email in self.chance.sample(["a@x", "b@x", "C@x"], self.chance.randrange(4))
            ],
            activity=[
                RepositoryActivity(
                    day=day,
                    commits=self.chance.randrange(4),
                    added=self.chance.randrange(50),
                    removed=self.chance.randrange(50),
                )
                for day in {self.moment().date() for _ in self.some(6)}
            ],
        )

    def run(self) -> dict[str, Any]:
        """Return the values of a build, or of a deployment."""
        return {"status": self.chance.choice([*RunStatus]), "started_at": self.moment(200)}


async def fill(database: Database, portfolio: Portfolio, size: int) -> None:
    """Store projects, and delete something of each kind."""
    async with database.transaction() as session:
        session.add_all([portfolio.project() for _ in range(size)])
    repositories: tuple[Any, ...] = (
        *(ProjectRepository(database), ConversationRepository(database)),
        *(DocumentRepository(database), RepositoryRepository(database)),
    )
    for repository in repositories:
        rows = await repository.list(limit=None)
        for row in portfolio.chance.sample(rows, max(1, len(rows) // 8)):
            await repository.delete(row.id)
