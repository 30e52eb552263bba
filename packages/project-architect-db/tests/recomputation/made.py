"""A portfolio out of a seed, written through the repositories as users write."""

from __future__ import annotations

import datetime as dt
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Final
from zoneinfo import ZoneInfo

import pytest

from andamios_orm.repositories import GenericRepository
from project_architect_db.models import (
    Build,
    Contributor,
    Conversation,
    ConversationPhase,
    Document,
    DocumentAccess,
    Project,
    Repository,
    RepositoryActivity,
)
from project_architect_db.models.conversation import PHASES
from project_architect_db.queries import BulkOperations
from project_architect_db.repositories import (
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    RepositoryRepository,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from andamios_orm import Database, Session
    from andamios_orm.testing.clock import FrozenClock

__all__ = ["NOW", "SIZED", "WIDER", "ZONES", "Made", "WiderRepository"]

NOW: Final = dt.datetime(2026, 7, 15, 10, 37, 21, 123_456, tzinfo=dt.UTC)
"""What time it is when questions are asked."""
ZONES: Final = (
    "UTC",
    "Asia/Kathmandu",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Kiritimati",
)
SIZED: Final = [
    pytest.param(zone, marks=pytest.mark.slow if zone == "America/New_York" else pytest.mark.soak)
    for zone in ZONES
]
"""Each zone takes a minute, so that the slow suite has one, and the others are for soaking."""
WIDER: Final = (*PHASES[:3], "spike", "Ärger", *PHASES[3:])
"""The phases of one who has more of them."""
_JUMPS: Final = (
    dt.datetime(2026, 3, 8, 7, tzinfo=dt.UTC),  # New York, on
    dt.datetime(2025, 11, 2, 6, tzinfo=dt.UTC),  # New York, back
    dt.datetime(2026, 4, 4, 15, tzinfo=dt.UTC),  # Lord Howe, back by half an hour
    dt.datetime(2025, 10, 4, 15, 30, tzinfo=dt.UTC),  # Lord Howe, on by half an hour
    dt.datetime(2026, 3, 8, 5, 30, tzinfo=dt.UTC),  # Newfoundland, on
)
_OWNERS: Final = ("ana", "ben", "Ana", "çem", None)
_STATUSES: Final = ("draft", "active", "completed", "archived")
_RUNS: Final = ("queued", "running", "succeeded", "succeeded", "failed", "failed", "cancelled")
_ROLES: Final = ("user", "assistant", "system", "User", "émile")
_TYPES: Final = ("architecture", "api_spec", "deployment", "requirements", "readme", "other")
_KINDS: Final = ("backend", "frontend", "docs", "infrastructure")
_WORDS: Final = ("crane", "mörtel", "梁", "a", "rivet\n", "  plaster", "𝄞")
_FRAMEWORKS: Final = ("FastAPI", "Django", "django", "Ätna", "Zope", "fastapi", "Rails", "a", "b")
_MORE: Final = ("Flask", "Spring", "Ktor", "Gin", "Vue")


class WiderRepository(ConversationRepository):
    """Conversations that go through more phases."""

    phases: ClassVar[Sequence[str]] = WIDER


class Made:
    """Writes a portfolio of ``size`` projects, by chance but always the same for a seed."""

    def __init__(self, seed: int, size: int, clock: FrozenClock) -> None:
        """Take the chance from ``seed`` and the time from ``clock``."""
        self.random = Random(seed)
        self.size = size
        self.clock = clock
        self._special = _special_moments()

    async def write(self, database: Database) -> None:
        """Write everything, and leave the clock at ``NOW``."""
        self.clock.move_to(NOW - dt.timedelta(days=500))
        async with database.transaction() as session:
            projects = await self._projects(session)
            await self._members(session, projects)
            conversations = await self._conversations(session, projects)
            documents = await self._documents(session, projects)
            await self._repositories(session, projects)
            session.add_all(self._quiet(number) for number in range(self.size // 3))
        async with database.transaction() as session:
            await self._phases(session, conversations)
            await self._versions(session, documents)
        async with database.transaction() as session:
            await self.change(session)
            session.add_all([_late(), _late()])

    # ---- chance --------------------------------------------------------------------------

    def moment(self) -> dt.datetime:
        """Return a moment: one of those where something could go wrong, or any."""
        if self.random.random() < 0.4:
            return self.random.choice(self._special)
        days = self.random.choice([3, 45, 130, 430])
        return NOW + dt.timedelta(seconds=self.random.uniform(-days * 86_400, 2 * 86_400))

    def some(self, most: int) -> range:
        """Return a range of up to ``most``, often an empty one."""
        return range(self.random.choice([0, 1, self.random.randint(1, most), most]))

    def text(self, longest: int = 30) -> str:
        """Return words, some of more than one byte; sometimes none, seldom very many."""
        count = self.random.choice([0, 1, 9, 10, self.random.randint(2, longest)])
        if self.random.random() < 0.04:
            count = self.random.choice([49, 50, 199, 200, 999, 1_000])
        return " ".join(self.random.choice(_WORDS) for _ in range(count))

    # ---- rows ----------------------------------------------------------------------------

    def _project(self, number: int) -> dict[str, Any]:
        status = self.random.choice(_STATUSES)
        created = self.moment()
        values: dict[str, Any] = {
            "name": self.random.choice(["Same name", f"Project {number}"]),
            "project_idea": "A scaffold for the data of a team",
            "status": status,
            "architecture": self._architecture(),
            "owner": self.random.choice(_OWNERS),
            "created_at": created,
            "updated_at": self.random.choice([created, self.moment()]),
            "is_sample": self.random.random() < 0.2,
        }
        if status == "completed" or (status == "archived" and self.random.random() < 0.5):
            values["completed_at"] = self.moment()
        return values

    def _architecture(self) -> dict[str, Any] | None:
        if self.random.random() < 0.25:
            return None
        found: dict[str, Any] = {}
        if self.random.random() < 0.7:
            found["complexity_score"] = self.random.choice([0, 9, 10, 50, 89, 90, 99, 100])
        elif self.random.random() < 0.7:
            found["services"] = self.random.randint(1, 9)
        if self.random.random() < 0.8:
            found["framework"] = self.random.choice([*_FRAMEWORKS, *_MORE])
        return found

    async def _projects(self, session: Session) -> list[int]:
        projects = ProjectRepository(session)
        rows = [self._project(number) for number in range(self.size)]
        third = self.size // 3
        one = [(await projects.create(Project(**row))).id for row in rows[: third // 2]]
        many = await projects.bulk_create(self._now(rows[third // 2 : third]))
        bulk = await BulkOperations.bulk_insert_projects(
            session, self._now(rows[third : third * 3 // 2])
        )
        added = [Project(**row) for row in rows[third * 3 // 2 :]]
        session.add_all(added)
        await session.flush()
        return [*one, *(row.id for row in many), *(row.id for row in bulk), *(p.id for p in added)]

    def _now(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return rows to be stored together: those written by the clock are all of one time."""
        self.clock.move_to(self.moment())
        times = {"created_at", "updated_at"}
        return [{name: row[name] for name in row if name not in times} for row in rows]

    def _quiet(self, number: int) -> Project:
        """Return a project in which nothing, or nearly nothing, has happened for 30 days."""
        border = NOW.replace(minute=0, second=0, microsecond=0) - dt.timedelta(days=30)
        before = border - dt.timedelta(microseconds=1)
        times = [before, before, before, border]
        at = self.random.choice(times)
        project = Project(
            name=f"Quiet {number}",
            project_idea="A scaffold for the data of a team",
            status="active",
            owner=self.random.choice(_OWNERS),
            created_at=at,
            updated_at=at,
        )
        if self.random.random() < 0.4:
            seen = self.random.choice(times)
            project.documents = [Document(name="Old", created_at=before, changed_at=seen)]
        if self.random.random() < 0.4:
            day = (border - dt.timedelta(days=self.random.randint(0, 1))).date()
            activity = RepositoryActivity(day=day, commits=self.random.randint(0, 1))
            builds = [Build(status="succeeded", started_at=self.random.choice(times))]
            made = Repository(name="old", created_at=before, activity=[activity], builds=builds)
            project.repositories = [made]
        if self.random.random() < 0.4:
            said = {"role": "user", "content": "quiet", "time": self.random.choice(times)}
            project.conversations = [
                Conversation(created_at=before, phase_entered_at=before, messages=[said])
            ]
        return project

    async def _members(self, session: Session, projects: list[int]) -> None:
        repository = ProjectRepository(session)
        for key in projects:
            for member in ("ben", "dora", "Ana"):
                if self.random.random() < 0.15:
                    await repository.add_member(key, member)

    def _message(self) -> dict[str, Any]:
        return {
            "role": self.random.choice(_ROLES),
            "content": self.text(),
            "time": self.moment(),
            "tokens": self.random.choice([None, 0, self.random.randint(1, 500)]),
        }

    async def _conversations(self, session: Session, projects: list[int]) -> list[int]:
        repository = WiderRepository(session)
        rows = []
        for key in projects:
            for _ in self.some(4):
                created = self.moment()
                entered = self.random.choice([created, self.moment()])
                rows.append(
                    {
                        "project_id": key,
                        "title": self.random.choice([None, "A talk"]),
                        "phase": self.random.choice(WIDER),
                        "phase_entered_at": entered,
                        "created_at": created,
                    }
                )
        half = len(rows) // 2
        keys = [row.id for row in await repository.bulk_create(self._now(rows[:half]))]
        for row in rows[half:]:
            messages = [self._message() for _ in self.some(3)]
            made = Conversation(**row, messages=messages)
            session.add(made)
            await session.flush()
            keys.append(made.id)
        for key in keys:
            if self.random.random() < 0.6:
                messages = [self._message() for _ in self.some(6)]
                await repository.add_messages(key, messages)
        return keys

    async def _documents(self, session: Session, projects: list[int]) -> list[int]:
        rows = [
            {
                "project_id": key,
                "name": self.random.choice(["Readme", "Plan", "API"]),
                "doc_type": self.random.choice(_TYPES[:5]),
                "content": self.text(),
                "created_at": self.moment(),
                "changed_at": self.moment(),
            }
            for key in projects
            for _ in self.some(4)
        ]
        half = len(rows) // 2
        made = [Document(**row) for row in rows[half:]]
        session.add_all(made)
        await session.flush()
        bulk = await DocumentRepository(session).bulk_create(self._now(rows[:half]))
        keys = [row.id for row in (*bulk, *made)]
        accesses = [
            {
                "document_id": key,
                "accessed_at": self.moment(),
                "accessed_by": self.random.choice(_OWNERS),
            }
            for key in keys
            for _ in self.some(6)
        ]
        await GenericRepository(session, DocumentAccess).bulk_create(accesses)
        return keys

    async def _repositories(self, session: Session, projects: list[int]) -> None:
        repository = RepositoryRepository(session)
        rows = [
            {
                "project_id": key,
                "name": self.random.choice(["api", "web"]),
                "repo_type": self.random.choice(_KINDS[:3]),
                "language": self.random.choice([None, "Python", "python", "Zig", "Ä", *_MORE]),
                "created_at": self.moment(),
            }
            for key in projects
            for _ in self.some(3)
        ]
        half = len(rows) // 2
        bulk = await repository.bulk_create(self._now(rows[:half]))
        keys = [row.id for row in bulk]
        keys += [(await repository.create(Repository(**row))).id for row in rows[half:]]
        for key in keys:
            await self._runs(session, key)
            await self._work(session, key)

    def _run(self) -> dict[str, Any]:
        started = self.moment()
        values: dict[str, Any] = {"status": self.random.choice(_RUNS), "started_at": started}
        if self.random.random() < 0.6:
            values["finished_at"] = started + dt.timedelta(seconds=self.random.randint(0, 900))
        return values

    async def _runs(self, session: Session, key: int) -> None:
        repository = RepositoryRepository(session)
        builds = [{**self._run(), "repository_id": key} for _ in self.some(6)]
        await GenericRepository(session, Build).bulk_create(builds)
        for _ in self.some(2):
            await repository.record_build(key, self._run())
        for _ in self.some(3):
            await repository.record_deployment(key, self._run())

    async def _work(self, session: Session, key: int) -> None:
        emails = ["a@x", "A@x", "b@x", "ç@x", *(f"{number}@y" for number in range(8))]
        people = [
            {
                "repository_id": key,
                "email": email,
                "name": self.random.choice(["One", "Another"]),
                "commits": self.random.choice([0, 1, 5, 5, self.random.randint(1, 300)]),
            }
            for email in self.random.sample(emails, len(self.some(5)))
        ]
        await GenericRepository(session, Contributor).bulk_create(people)
        days = {self.moment().date() for _ in self.some(8)}
        activity = [
            {
                "repository_id": key,
                "day": day,
                "commits": self.random.choice([0, 1, 3, 12]),
                "added": self.random.choice([0, 7, 5_000]),
                "removed": self.random.choice([0, 7, 90]),
            }
            for day in sorted(days)
        ]
        await GenericRepository(session, RepositoryActivity).bulk_create(activity)

    # ---- what happens later ----------------------------------------------------------------

    async def _phases(self, session: Session, conversations: list[int]) -> None:
        """Let conversations go on, back and on again, each at its own time."""
        repository = WiderRepository(session)
        for key in conversations:
            if self.random.random() < 0.4:
                continue
            moments = sorted(self.moment() for _ in range(self.random.randint(1, 5)))
            for moment in moments:
                self.clock.move_to(moment)
                phase = self.random.choice([*WIDER[:4], "done"])
                await repository.advance_phase(key, phase)

    async def _versions(self, session: Session, documents: list[int]) -> None:
        repository = DocumentRepository(session)
        for key in documents:
            for moment in sorted(self.moment() for _ in self.some(3)):
                self.clock.move_to(moment)
                await repository.add_version(key, self.text())

    async def change(self, session: Session) -> None:
        """Change, delete, restore and remove some of everything; leave the clock at ``NOW``."""
        projects = await _keys(ProjectRepository(session))
        await BulkOperations.bulk_update_status(session, self._part(projects, 0.1), "completed")
        await BulkOperations.bulk_update_status(session, self._part(projects, 0.1), "archived")
        for key in self._part(projects, 0.15):
            self.clock.move_to(self.moment())
            status = self.random.choice(_STATUSES)
            await ProjectRepository(session).update(key, {"status": status})
        await self._messages(session, await _keys(ConversationRepository(session)))
        for key in self._part(await _keys(DocumentRepository(session)), 0.3):
            self.clock.move_to(self.moment())
            await DocumentRepository(session).record_access(key, self.random.choice(_OWNERS))
        self.clock.move_to(NOW)
        for kind in (
            ProjectRepository,
            ConversationRepository,
            DocumentRepository,
            RepositoryRepository,
            ProjectRepository,
        ):
            await self._delete(kind(session))

    async def _delete(self, repository: Any) -> None:
        """Delete some, restore some of those whose project is there, remove some for good."""
        gone = self._part(await _keys(repository), 0.2)
        for key in gone:
            await repository.delete(key)
        for key in gone[::3]:
            await repository.restore(key)
        for key in gone[1::5]:
            await repository.purge(key)

    async def _messages(self, session: Session, conversations: list[int]) -> None:
        repository = ConversationRepository(session)
        for key in self._part(conversations, 0.3):
            entries = (await repository.get(key)).entries
            for entry in list(entries):
                change = self.random.choice(["none", "delete", "content", "time", "tokens"])
                if change == "delete":
                    await repository.delete_message(key, entry.id)
                elif change != "none":
                    values = {"content": self.text(), "time": self.moment(), "tokens": 77}
                    await repository.update_message(key, entry.id, {change: values[change]})

    def _part(self, keys: list[int], share: float) -> list[int]:
        return [key for key in keys if self.random.random() < share]


def _late() -> Project:
    """Return a project of which one conversation waits, in a phase that five have left soon."""
    entered = NOW - dt.timedelta(days=100)
    left = [entered + dt.timedelta(hours=hours) for hours in range(1, 6)]
    stays = [
        ConversationPhase(
            phase="lobby", entered_at=entered, left_at=at, seconds=(at - entered).total_seconds()
        )
        for at in left
    ]
    waiting = Conversation(phase="lobby", phase_entered_at=entered, past_phases=stays)
    return Project(
        name="Late",
        project_idea="A scaffold for the data of a team",
        created_at=entered,
        conversations=[waiting],
    )


async def _keys(repository: Any) -> list[int]:
    return [row.id for row in await repository.list(limit=None)]


def _special_moments() -> list[dt.datetime]:
    """Return midnights, jumps of clocks, borders of rules, and what is beside them."""
    as_of = NOW.replace(minute=0, second=0, microsecond=0)
    moments = [as_of - dt.timedelta(days=days) for days in (0, 1, 30, 90, 365)]
    today = as_of.replace(hour=0)
    moments += [today - dt.timedelta(days=days) for days in (0, 29, 30, 59, 90)]
    moments += [dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (1, 4, 7)]
    for name in ZONES:
        for day in (1, 10, 61, 104):
            wall = dt.datetime(2026, 7, 15) - dt.timedelta(days=day)  # noqa: DTZ001 - in a zone below
            moments.append(wall.replace(tzinfo=ZoneInfo(name)).astimezone(dt.UTC))
    beside = [dt.timedelta(minutes=minutes) for minutes in (-60, -45, -15, 15, 30, 59, 75)]
    moments += [jump + step for jump in _JUMPS for step in (dt.timedelta(), *beside)]
    microsecond = dt.timedelta(microseconds=1)
    return [moment + step for moment in moments for step in (dt.timedelta(), -microsecond)]
