"""Figures in plain Python, out of the rows: repositories, what joins entities, series."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from project_architect_db.models import (
    Build,
    Contributor,
    ConversationMessage,
    ConversationPhase,
    Deployment,
    DocumentAccess,
    Repository,
    RepositoryActivity,
    RepositoryType,
    RunStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Values = Callable[..., dict[str, Any]]

from tests.repositories.plain import Plain, described, per, tops
from tests.repositories.portfolio import AS_OF, DAY


class Recomputation(Plain):
    """The rows that count, and all figures of them."""

    # -- repositories

    def health(self, repository: Repository) -> dict[str, Any]:
        """Return the fields of ``RepositoryHealth``."""
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
            sum(weights[name] * (points[name] or 0) for name in known)
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
        """Return the fields of ``RepositoryHealthMetrics``."""
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
        """Return the fields of ``CrossEntityMetrics``."""
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

    def needs_attention(self) -> dict[str, Any]:  # noqa: C901 - four reasons, one after the other
        """Return the fields of ``Attention``."""
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
        return {"total": len(items), "items": items}

    # -- series

    def values(self, metric: str, unit: str) -> Counter[dt.datetime]:
        """Return the value of each step that has one, by what a clock shows when it begins."""

        def one(_row: Any) -> int:
            return 1

        messages, activity = self.parts[ConversationMessage], self.parts[RepositoryActivity]
        builds, deployments = self.parts[Build], self.parts[Deployment]
        metrics: dict[str, tuple[list[Any], str, Callable[[Any], int]]] = {
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
        }
        rows, moment, amount = metrics[metric]
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
    steps: dict[str, dt.datetime] = {
        "day": day,
        "week": day - when.weekday() * DAY,
        "month": day.replace(day=1),
        "quarter": day.replace(month=(when.month + 2) // 3 * 3 - 2, day=1),
        "year": day.replace(month=1, day=1),
    }
    return steps[unit]
