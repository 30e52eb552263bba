"""Every figure equals one that plain Python makes of the rows, read one by one."""

from __future__ import annotations

import datetime as dt
import random
import statistics
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from project_architect_db.analytics import GRANULARITIES, METRICS
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
    AnalyticsRepository,
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    RepositoryRepository,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from andamios_orm import Database
    from andamios_orm.testing.clock import FrozenClock

    Values = Callable[..., dict[str, Any]]

pytestmark = [pytest.mark.integration, pytest.mark.db]

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


# ---- plain Python --------------------------------------------------------------------


def described(values: Iterable[float]) -> dict[str, Any]:
    """Return what a distribution is."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0, "mean": None, "median": None, "p90": None}
    place = 0.9 * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return {
        "count": len(ordered),
        "mean": statistics.fmean(ordered),
        "median": statistics.median(ordered),
        "p90": ordered[below] + (ordered[above] - ordered[below]) * (place - below),
    }


def per(part: float, of: float) -> float | None:
    return part / of if of else None


def tops(counts: Counter[Any], most: int = 10) -> list[dict[str, Any]]:
    order = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"name": name, "count": count} for name, count in order[:most] if count]


class Plain:
    """The rows that count, and the figures of them."""

    def __init__(
        self,
        rows: dict[type[Any], list[Any]],
        *,
        start: dt.datetime | None = None,
        end: dt.datetime | None = None,
        viewer: str | None = None,
        zone: str = "UTC",
    ) -> None:
        """Keep the rows that are there, and that ``viewer`` sees."""
        self.start, self.end, self.zone = start, end, ZoneInfo(zone)
        members = {(each.project_id, each.member) for each in rows[ProjectMember]}
        seen = {
            each.id
            for each in rows[Project]
            if viewer is None or each.owner == viewer or (each.id, viewer) in members
        }
        self.projects = [p for p in rows[Project] if p.deleted_at is None and p.id in seen]
        own = {
            model: [r for r in rows[model] if r.deleted_at is None and r.project_id in seen]
            for model in (Conversation, Document, Repository)
        }
        self.conversations, self.documents = own[Conversation], own[Document]
        self.repositories = own[Repository]
        self.parts: dict[type[Any], list[Any]] = {}
        for model, key, parent in (
            *((ConversationMessage, "conversation_id", Conversation),),
            *((ConversationPhase, "conversation_id", Conversation),),
            *(
                (DocumentVersion, "document_id", Document),
                (DocumentAccess, "document_id", Document),
            ),
            *((Build, "repository_id", Repository), (Deployment, "repository_id", Repository)),
            *((Contributor, "repository_id", Repository),),
            *((RepositoryActivity, "repository_id", Repository),),
        ):
            keys = {each.id for each in own[parent]}
            self.parts[model] = [each for each in rows[model] if getattr(each, key) in keys]

    def inside(self, moment: dt.datetime | dt.date | None) -> bool:
        """Return whether a moment is in the range; a day is one of the time zone."""
        if moment is None:
            return False
        if not isinstance(moment, dt.datetime):
            moment = dt.datetime.combine(moment, dt.time(), self.zone).astimezone(dt.UTC)
        return (self.start is None or moment >= self.start) and (
            self.end is None or moment < self.end
        )

    def during(self, rows: Iterable[Any], moment: str) -> list[Any]:
        return [row for row in rows if self.inside(getattr(row, moment))]

    # -- projects

    def project_metrics(self) -> dict[str, Any]:
        projects = self.during(self.projects, "created_at")
        seconds = [
            (p.completed_at - p.created_at).total_seconds()
            for p in projects
            if p.completed_at is not None
        ]
        status = Counter(str(p.status) for p in projects)
        scores = [p.complexity_score for p in projects if p.complexity_score is not None]
        tens = Counter(min(score // 10, 9) for score in scores)
        names = [f"{ten}0-{ten}9" for ten in range(1, 9)]
        completion = described(seconds)
        return {
            "total_projects": len(projects),
            "active_projects": status["active"],
            "completed_projects": status["completed"],
            "project_by_status": {
                name: status[name] for name in ("draft", "active", "completed", "archived")
            },
            "finished_projects": len(seconds),
            "completion_rate": per(len(seconds), len(projects)),
            "average_completion_time": completion["mean"],
            "median_completion_time": completion["median"],
            "p90_completion_time": completion["p90"],
            "average_complexity": described(scores)["mean"],
            "complexity_distribution": {
                name: tens[ten] for ten, name in enumerate(["0-9", *names, "90-100"])
            },
            "unscored_projects": len(projects) - len(scores),
            "top_frameworks": tops(Counter(p.framework for p in projects if p.framework)),
        }

    def project_analytics(self) -> dict[str, Any]:
        documents = self.during(self.documents, "created_at")
        return {
            **self.project_metrics(),
            "conversations": len(self.during(self.conversations, "created_at")),
            "messages": len(self.during(self.parts[ConversationMessage], "time")),
            "documents": len(documents),
            "document_bytes": sum(len(d.content.encode()) for d in documents),
            "repositories": len(self.during(self.repositories, "created_at")),
        }

    # -- conversations

    def conversation_metrics(self) -> dict[str, Any]:
        conversations = self.during(self.conversations, "created_at")
        keys = {c.id for c in conversations}
        messages = self.during(self.parts[ConversationMessage], "time")
        in_phase = Counter(c.phase for c in conversations)
        others = sorted(set(in_phase) - set(PHASES))
        stays = defaultdict(list)
        for stay in self.parts[ConversationPhase]:
            if stay.conversation_id in keys:
                stays[stay.phase].append(stay.seconds)
        flows = []
        for phase in (*PHASES, *sorted((set(in_phase) | set(stays)) - set(PHASES))):
            ended = described(stays[phase])
            waits = [
                (AS_OF - c.phase_entered_at).total_seconds()
                for c in conversations
                if c.phase == phase
            ]
            overdue = [w for w in waits if ended["count"] and w > ended["p90"] and phase != "done"]
            flows.append(
                {
                    "phase": phase,
                    "stays": ended,
                    "waiting": len(waits),
                    "waiting_seconds": sum(max(wait, 0.0) for wait in waits),
                    "overdue": len(overdue),
                }
            )
        roles = tops(Counter(m.role for m in messages), 99)
        of_role = {role["name"]: [m for m in messages if m.role == role["name"]] for role in roles}
        counts = Counter(m.conversation_id for m in self.parts[ConversationMessage])
        return {
            "total_conversations": len(conversations),
            "conversations_by_phase": {phase: in_phase[phase] for phase in (*PHASES, *others)},
            "open_conversations": len(conversations) - in_phase["done"],
            "phases": flows,
            "messages_per_conversation": described(counts[key] for key in keys),
            "total_messages": len(messages),
            "total_words": sum(len(m.content.split()) for m in messages),
            "total_tokens": sum(m.tokens or 0 for m in messages),
            "messages_by_role": [
                {
                    "role": role["name"],
                    "messages": role["count"],
                    "words": (words := sum(m.words for m in of_role[role["name"]])),
                    "tokens": sum(m.tokens or 0 for m in of_role[role["name"]]),
                    "average_words": words / role["count"],
                }
                for role in roles
            ],
        }

    def conversation_flow_analysis(self) -> dict[str, Any]:
        found = self.conversation_metrics()
        now = [found["conversations_by_phase"][phase] for phase in PHASES]
        funnel = []
        for place, phase in enumerate(PHASES):
            reached = sum(now[place:])
            stopped = now[place]
            funnel.append(
                {
                    "phase": phase,
                    "reached": reached,
                    "share": per(reached, sum(now)),
                    "stopped": stopped,
                    "drop_off": per(0 if phase == "done" else stopped, reached),
                }
            )
        waiting = [f for f in found["phases"] if f["phase"] != "done" and f["waiting_seconds"] > 0]
        total = sum(f["waiting_seconds"] for f in waiting)
        messages = self.during(self.parts[ConversationMessage], "time")
        local = [m.time.astimezone(self.zone) for m in messages]
        limits = {"0-9": 0, "10-49": 10, "50-199": 50, "200-999": 200, "1000+": 1_000}
        lengths = Counter(
            max(name for name in [*limits] if m.words >= limits[name] and True)
            if False
            else [name for name in limits if m.words >= limits[name]][-1]
            for m in messages
        )
        return {
            **found,
            "funnel": funnel,
            "bottlenecks": [
                {
                    "phase": f["phase"],
                    "waiting": f["waiting"],
                    "waiting_seconds": f["waiting_seconds"],
                    "share": f["waiting_seconds"] / total,
                    "average_wait": f["waiting_seconds"] / f["waiting"],
                    "overdue": f["overdue"],
                    "usual_wait": f["stays"]["median"],
                }
                for f in sorted(waiting, key=lambda f: -f["waiting_seconds"])[:3]
            ],
            "messages_by_hour": [sum(t.hour == hour for t in local) for hour in range(24)],
            "messages_by_weekday": [sum(t.weekday() == day for t in local) for day in range(7)],
            "message_lengths": {name: lengths[name] for name in limits},
        }

    # -- documents

    def document_usage_stats(self) -> dict[str, Any]:
        documents = self.during(self.documents, "created_at")
        keys = {d.id for d in documents}
        accesses = self.during(self.parts[DocumentAccess], "accessed_at")
        versions = [v for v in self.parts[DocumentVersion] if v.document_id in keys]
        read = Counter(a.document_id for a in accesses)
        names = {d.id: d.name for d in self.documents}
        sizes = {d.id: len(d.content.encode()) for d in documents}
        order = sorted(read.items(), key=lambda pair: (-pair[1], pair[0]))
        return {
            "total_documents": len(documents),
            "documents_by_type": {
                str(kind): sum(d.doc_type == kind for d in documents) for kind in DocumentType
            },
            "bytes_by_type": {
                str(kind): sum(sizes[d.id] for d in documents if d.doc_type == kind)
                for kind in DocumentType
            },
            "total_bytes": sum(sizes.values()),
            "total_words": sum(len(d.content.split()) for d in documents),
            "bytes_per_document": described(sizes.values()),
            "words_per_document": described(len(d.content.split()) for d in documents),
            "revised_documents": len({v.document_id for v in versions}),
            "past_versions": len(versions),
            "total_accesses": len(accesses),
            "read_documents": len(read),
            "readers": len({a.accessed_by for a in accesses} - {None}),
            "accesses_per_read_document": per(len(accesses), len(read)),
            "most_read": [
                {
                    "id": key,
                    "name": names[key],
                    "accesses": count,
                    "last_accessed_at": max(
                        a.accessed_at for a in accesses if a.document_id == key
                    ),
                }
                for key, count in order[:10]
            ],
        }

    # -- repositories

    def health(self, repository: Repository) -> dict[str, Any]:
        mine = {
            model: [r for r in self.parts[model] if r.repository_id == repository.id]
            for model in (Build, Deployment, Contributor, RepositoryActivity)
        }
        days = [a.day for a in mine[RepositoryActivity] if a.commits > 0]
        since = dt.datetime.combine(AS_OF.date(), dt.time(), dt.UTC) - 90 * DAY
        recent = Counter(str(b.status) for b in mine[Build] if b.started_at >= since)
        finished = recent["succeeded"] + recent["failed"]
        deployed = [d.started_at for d in mine[Deployment] if d.status == "succeeded"]
        commits = [c.commits for c in mine[Contributor]]

        def freshness(day: dt.date | None) -> int | None:
            if day is None:
                return None
            ago = max((AS_OF.date() - day).days, 0)
            return 100 if ago <= 30 else 0 if ago >= 365 else (365 - ago) * 100 // 335

        points = {
            "activity": freshness(max(days, default=None)),
            "builds": recent["succeeded"] * 100 // finished if finished else None,
            "deployments": freshness(max(deployed).date() if deployed else None),
            "contributors": min(100, (sum(commits) - max(commits)) * 200 // sum(commits))
            if sum(commits)
            else None,
        }
        weights = {"activity": 30, "builds": 30, "deployments": 20, "contributors": 20}
        known = [name for name in weights if points[name] is not None]
        score = (
            sum(weights[name] * points[name] for name in known)  # type: ignore[operator]
            // sum(weights[name] for name in known)
            if known
            else None
        )
        grades = {"A": 90, "B": 75, "C": 60, "D": 40, "F": 0}
        return {
            "id": repository.id,
            "name": repository.name,
            "project_id": repository.project_id,
            "score": score,
            "grade": None
            if score is None
            else next(grade for grade, least in grades.items() if score >= least),
            "parts": [
                {"name": name, "weight": weights[name], "points": points[name]} for name in weights
            ],
            "last_commit_day": max(days, default=None),
            "commits": sum(commits),
            "contributors": len(commits),
            "recent_succeeded_builds": recent["succeeded"],
            "recent_failed_builds": recent["failed"],
            "last_deployed_at": max(deployed, default=None),
        }

    def repository_health_metrics(self) -> dict[str, Any]:
        rated = [self.health(repository) for repository in self.repositories]
        scored = [each for each in rated if each["score"] is not None]
        lowest = sorted(scored, key=lambda each: (each["score"], each["id"]))[:10]
        shown = ("score", "grade", "parts", "id", "name", "project_id")
        found: dict[str, Any] = {}
        for name, model in (("build", Build), ("deployment", Deployment)):
            status = Counter(str(r.status) for r in self.during(self.parts[model], "started_at"))
            found[f"{name}s"] = status.total()
            found[f"{name}s_by_status"] = {str(each): status[str(each)] for each in RunStatus}
            found[f"{name}_success_rate"] = per(
                status["succeeded"], status["succeeded"] + status["failed"]
            )
        days = self.during(self.parts[RepositoryActivity], "day")
        people: dict[str, list[Contributor]] = defaultdict(list)
        for each in sorted(self.parts[Contributor], key=lambda c: c.id):
            people[each.email].append(each)
        commits = sum(c.commits for c in self.parts[Contributor])
        top = sorted(people.values(), key=lambda own: (-sum(c.commits for c in own), own[0].id))
        return {
            "total_repositories": len(self.repositories),
            "repositories_by_type": {
                str(kind): sum(r.repo_type == kind for r in self.repositories)
                for kind in RepositoryType
            },
            "average_score": described(each["score"] for each in scored)["mean"],
            "repositories_by_grade": {
                grade: sum(each["grade"] == grade for each in rated) for grade in "ABCDF"
            },
            "unscored_repositories": len(rated) - len(scored),
            "least_healthy": [{name: each[name] for name in shown} for each in lowest],
            **found,
            "commits": sum(d.commits for d in days),
            "lines_added": sum(d.added for d in days),
            "lines_removed": sum(d.removed for d in days),
            "active_repositories": len({d.repository_id for d in days if d.commits}),
            "commits_by_weekday": [
                sum(d.commits for d in days if d.day.weekday() == day) for day in range(7)
            ],
            "contributors": len(people),
            "top_contributors": [
                {
                    "email": own[0].email,
                    "name": own[0].name,
                    "commits": (mine := sum(c.commits for c in own)),
                    "repositories": sum(c.commits > 0 for c in own),
                    "share": mine / commits,
                }
                for own in top[:10]
                if sum(c.commits for c in own)
            ],
            "languages": tops(Counter(r.language for r in self.repositories if r.language)),
        }

    # -- what belongs together

    def cross_entity_analytics(self) -> dict[str, Any]:
        projects = self.during(self.projects, "created_at")
        of_repository = {r.id: r.project_id for r in self.repositories}

        def first(rows: Iterable[Any], moment: str) -> dict[int, dt.datetime]:
            found: dict[int, dt.datetime] = {}
            for row in rows:
                key = getattr(row, "project_id", None) or of_repository[row.repository_id]
                when = getattr(row, moment)
                found[key] = min(found.get(key, when), when)
            return found

        steps: dict[str, dict[int, Any]] = {
            "idea": {p.id: p.created_at for p in projects},
            "conversation": first(self.conversations, "created_at"),
            "document": first(self.documents, "created_at"),
            "repository": first(self.repositories, "created_at"),
            "build": first(self.parts[Build], "started_at"),
            "deployment": first(self.parts[Deployment], "started_at"),
            "completed": {p.id: p.completed_at for p in projects if p.completed_at is not None},
        }

        def between(one: str, other: str) -> list[float]:
            return [
                max((steps[other][key] - steps[one][key]).total_seconds(), 0.0)
                for key in steps["idea"]
                if key in steps[one] and key in steps[other]
            ]

        nothing = described(())
        lifecycle = []
        for before, name in pairwise([None, *steps]):
            assert name is not None
            reached = [key for key in steps["idea"] if key in steps[name]]
            lifecycle.append(
                {
                    "name": name,
                    "reached": len(reached),
                    "share": per(len(reached), len(projects)),
                    "since_idea": described(between("idea", name)),
                    "since_previous": nothing
                    if before is None
                    else described(between(before, name)),
                }
            )
        owned = self.project_analytics()
        conversations = self.during(self.conversations, "created_at")
        documents = self.during(self.documents, "created_at")
        amounts: dict[str, Counter[int]] = defaultdict(Counter)
        counts = Counter(m.conversation_id for m in self.parts[ConversationMessage])
        words: Counter[int] = Counter()
        for m in self.parts[ConversationMessage]:
            words[m.conversation_id] += m.words
        for c in conversations:
            amounts["messages"][c.project_id] += counts[c.id]
            amounts["words"][c.project_id] += words[c.id]
        for d in documents:
            amounts["documents"][d.project_id] += 1
            amounts["bytes"][d.project_id] += len(d.content.encode())
        for a in self.during(self.parts[RepositoryActivity], "day"):
            amounts["commits"][of_repository[a.repository_id]] += a.commits
        for b in self.during(self.parts[Build], "started_at"):
            amounts["builds"][of_repository[b.repository_id]] += 1
        names = {p.id: p.name for p in self.projects}
        kinds = ("messages", "words", "documents", "bytes", "commits", "builds")
        return {
            "projects": len(projects),
            "lifecycle": lifecycle,
            **{
                f"{name}_per_project": per(owned[name], len(projects))
                for name in ("conversations", "messages", "documents", "repositories")
            },
            "top_projects": {
                kind: [
                    {
                        "project_id": each["name"],
                        "name": names[each["name"]],
                        "amount": each["count"],
                    }
                    for each in tops(amounts[kind])
                ]
                for kind in kinds
            },
        }

    def needs_attention(self) -> dict[str, Any]:
        mine = [p for p in self.projects if p.status in {"draft", "active"}]
        repositories = {r.id: r.project_id for r in self.repositories}
        quiet = AS_OF - 30 * DAY
        stays = defaultdict(list)
        for stay in self.parts[ConversationPhase]:
            stays[stay.phase].append(stay.seconds)
        usual = {
            phase: described(seconds)["p90"]
            for phase, seconds in stays.items()
            if len(seconds) >= 5 and phase != "done"
        }
        failing: dict[int, list[dt.datetime]] = defaultdict(list)
        for r in self.repositories:
            builds = [b for b in self.parts[Build] if b.repository_id == r.id]
            last = [b for b in builds if b.started_at == max(each.started_at for each in builds)]
            if any(b.status == "failed" for b in last):
                failing[r.project_id].append(last[0].started_at)
        waiting: dict[int, list[dt.datetime]] = defaultdict(list)
        for c in self.conversations:
            wait = (AS_OF - c.phase_entered_at).total_seconds()
            if c.phase in usual and wait > usual[c.phase]:
                waiting[c.project_id].append(c.phase_entered_at)
        busy = {
            *(
                c.project_id
                for c in self.conversations
                if max(c.created_at, c.last_message_at or c.created_at) >= quiet
            ),
            *(d.project_id for d in self.documents if max(d.created_at, d.changed_at) >= quiet),
            *(r.project_id for r in self.repositories if r.created_at >= quiet),
            *(
                repositories[run.repository_id]
                for run in (*self.parts[Build], *self.parts[Deployment])
                if run.started_at >= quiet
            ),
            *(
                repositories[a.repository_id]
                for a in self.parts[RepositoryActivity]
                if a.commits > 0 and a.day >= quiet.date()
            ),
        }
        items = []
        for p in mine:
            reasons = []
            if failing[p.id]:
                reasons.append(("build_failed", len(failing[p.id]), min(failing[p.id])))
            if waiting[p.id]:
                reasons.append(("phase_overdue", len(waiting[p.id]), min(waiting[p.id])))
            if p.status == "active" and p.updated_at < quiet and p.id not in busy:
                reasons.append(("inactive", 1, p.updated_at))
            if p.status == "draft" and p.created_at < AS_OF - 90 * DAY:
                reasons.append(("old_draft", 1, p.created_at))
            if reasons:
                items.append(
                    {
                        "project_id": p.id,
                        "name": p.name,
                        "status": str(p.status),
                        "since": min(since for _, _, since in reasons),
                        "reasons": reasons,
                    }
                )
        items.sort(key=lambda each: (-len(each["reasons"]), each["since"], each["project_id"]))
        return {"total": len(items), "items": items[:20]}

    # -- series

    def values(self, metric: str, unit: str) -> Counter[dt.datetime]:
        """Return the value of each step that has one, by what a clock shows when it begins."""
        one = lambda _row: 1  # noqa: E731 - the shortest way to say it
        messages, activity = self.parts[ConversationMessage], self.parts[RepositoryActivity]
        builds, deployments = self.parts[Build], self.parts[Deployment]
        rows, moment, amount = {
            "projects_created": (self.projects, "created_at", one),
            "projects_completed": (self.projects, "completed_at", one),
            "conversations": (self.conversations, "created_at", one),
            "messages": (messages, "time", one),
            "words": (messages, "time", lambda m: m.words),
            "tokens": (messages, "time", lambda m: m.tokens or 0),
            "documents": (self.documents, "created_at", one),
            "document_bytes": (self.documents, "created_at", lambda d: len(d.content.encode())),
            "accesses": (self.parts[DocumentAccess], "accessed_at", one),
            "repositories": (self.repositories, "created_at", one),
            "builds": (builds, "started_at", one),
            "succeeded_builds": (builds, "started_at", lambda b: b.status == "succeeded"),
            "failed_builds": (builds, "started_at", lambda b: b.status == "failed"),
            "deployments": (deployments, "started_at", one),
            "failed_deployments": (deployments, "started_at", lambda d: d.status == "failed"),
            "commits": (activity, "day", lambda a: a.commits),
            "lines_added": (activity, "day", lambda a: a.added),
            "lines_removed": (activity, "day", lambda a: a.removed),
        }[metric]
        found: Counter[dt.datetime] = Counter()
        for row in self.during(rows, moment):
            when = getattr(row, moment)
            if isinstance(when, dt.datetime):
                when = when.astimezone(self.zone).replace(tzinfo=None)
            else:
                when = dt.datetime.combine(when, dt.time())
            found[begin(unit, when)] += int(amount(row))
        return +found


def begin(unit: str, when: dt.datetime) -> dt.datetime:
    if unit == "hour":
        return dt.datetime(when.year, when.month, when.day, when.hour)  # noqa: DTZ001 - a clock's
    day = dt.datetime(when.year, when.month, when.day)  # noqa: DTZ001 - what a clock shows
    return {
        "day": day,
        "week": day - when.weekday() * DAY,
        "month": day.replace(day=1),
        "quarter": day.replace(month=(when.month + 2) // 3 * 3 - 2, day=1),
        "year": day.replace(month=1, day=1),
    }[unit]


# ---- both are the same ---------------------------------------------------------------


def close(found: Any, expected: Any, path: str = "") -> None:
    """Compare two documents; floats to one part in a billion."""
    if isinstance(expected, dict):
        assert list(found) == list(expected), path
        for name, each in expected.items():
            close(found[name], each, f"{path}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), (path, found, expected)
        for place, each in enumerate(expected):
            close(found[place], each, f"{path}[{place}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-6), path
    else:
        assert found == expected, path


JANUARY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
APRIL = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
NOON = dt.datetime(2026, 3, 3, 12, 30, tzinfo=dt.UTC)
CASES: dict[str, dict[str, Any]] = {
    "all": {},
    "whole days": {"start": JANUARY, "end": APRIL},
    "half a day": {"start": NOON, "zone": "America/New_York"},
    "a viewer": {"viewer": "ana"},
    "a viewer in a quarter": {"viewer": "ben", "end": APRIL, "zone": "Asia/Kolkata"},
    "nobody": {"viewer": "eve"},
}
METHODS = (
    *("project_metrics", "project_analytics", "conversation_metrics"),
    *("conversation_flow_analysis", "document_usage_stats", "repository_health_metrics"),
    *("cross_entity_analytics", "needs_attention"),
)
HEAD = {"timezone", "start", "end", "as_of"}


async def everything(database: Database) -> dict[type[Any], list[Any]]:
    async with database.session() as session:
        return {
            model: list(await session.scalars(select(model).order_by(model.id))) for model in MODELS
        }


def asked(database: Database, case: dict[str, Any]) -> tuple[AnalyticsRepository, Any]:
    """Return the repository of a case, and its range."""
    analytics = AnalyticsRepository(
        database, viewer=case.get("viewer"), timezone=case.get("zone", "UTC")
    )
    return analytics, (case.get("start"), case.get("end"))


def shown(result: Any) -> dict[str, Any]:
    """Return what a result says, without the question."""
    found: dict[str, Any] = result.model_dump(exclude=HEAD)
    for item in found.get("items", ()):
        item["reasons"] = [(r["code"], r["count"], r["since"]) for r in item["reasons"]]
    return found


@pytest.fixture
async def portfolio(
    database: Database,
    project_values: Values,
    frozen_clock: FrozenClock,
    rounds: Callable[[int, int, int], int],
) -> dict[type[Any], list[Any]]:
    """Return the rows of a portfolio."""
    frozen_clock.move_to(NOW)
    await fill(database, Portfolio(project_values, 11), rounds(30, 60, 300))
    return await everything(database)


async def test_every_figure_of_every_method(
    database: Database, portfolio: dict[type[Any], list[Any]]
) -> None:
    for name, case in CASES.items():
        analytics, date_range = asked(database, case)
        plain = Plain(portfolio, **case)
        for method in METHODS:
            if method == "needs_attention":
                if date_range != (None, None):
                    continue
                found = await analytics.needs_attention()
            else:
                found = await getattr(analytics, method)(date_range)
            expected = getattr(plain, method)()
            result = shown(found)
            close({field: result[field] for field in expected}, expected, f"{name}: {method}")
            assert set(result) == set(expected)


async def test_the_score_of_each_repository(
    database: Database, portfolio: dict[type[Any], list[Any]]
) -> None:
    plain = Plain(portfolio)
    repositories = RepositoryRepository(database)

    for each in plain.repositories[:5]:
        found = (await repositories.health(each.id)).model_dump(exclude=HEAD)
        assert found == plain.health(each)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Madrid"])
async def test_every_series(
    database: Database, portfolio: dict[type[Any], list[Any]], zone: str
) -> None:
    cases: Sequence[dict[str, Any]] = [
        {"zone": zone},
        {"zone": zone, "start": NOON, "end": APRIL},
        {"zone": zone, "viewer": "ana"},
    ]
    for case, (number, metric) in zip(cases * 6, enumerate(METRICS), strict=True):
        unit = GRANULARITIES[number % 5 + 1] if number % 4 else "day"
        analytics, date_range = asked(database, case)
        found = await analytics.time_series_analysis(metric, unit, date_range)  # type: ignore[arg-type]

        values = Plain(portfolio, **case).values(metric, unit)
        points = {point.start.replace(tzinfo=None): point.value for point in found.points}
        assert {step: value for step, value in points.items() if value} == values
        assert found.total == values.total()
        assert list(points) == sorted(points)
