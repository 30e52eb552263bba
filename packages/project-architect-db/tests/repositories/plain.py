"""Figures in plain Python, out of the rows: projects, conversations, documents."""

from __future__ import annotations

import datetime as dt
import statistics
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

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
    Repository,
    RepositoryActivity,
)
from project_architect_db.models.conversation import PHASES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Values = Callable[..., dict[str, Any]]

from tests.repositories.portfolio import AS_OF


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
        """Return the rows whose moment is in the range."""
        return [row for row in rows if self.inside(getattr(row, moment))]

    # -- projects

    def project_metrics(self) -> dict[str, Any]:
        """Return the fields of ``ProjectMetrics``."""
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
        """Return the fields of ``ProjectAnalytics``."""
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
        """Return the fields of ``ConversationMetrics``."""
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
        """Return the fields of ``ConversationFlowMetrics``."""
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
            [name for name in limits if m.words >= limits[name]][-1] for m in messages
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
        """Return the fields of ``DocumentUsageStats``."""
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
