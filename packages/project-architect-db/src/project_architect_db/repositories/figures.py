"""The figures of each answer: which statements they are from, and how they are put together."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from project_architect_db.analytics import (
    conversations,
    documents,
    following,
    lifecycle,
    projects,
)
from project_architect_db.analytics import repositories as code
from project_architect_db.analytics.shapes import by_name, most, ratio, tens
from project_architect_db.models import DocumentType, ProjectStatus, RepositoryType, RunStatus
from project_architect_db.schemas.analytics import (
    Bottleneck,
    ContributorShare,
    Distribution,
    DurationStatistics,
    FunnelStep,
    HealthPart,
    Milestone,
    PhaseFlow,
    ResourceUse,
    RoleMessages,
    ScoredRepository,
    TopProjects,
)
from project_architect_db.schemas.document import UsedDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from project_architect_db.analytics.scope import Scope
    from project_architect_db.repositories.asking import Asked

__all__ = [
    "by_phase",
    "conversation_figures",
    "cross_entity_figures",
    "document_figures",
    "flow_figures",
    "head",
    "health_figures",
    "ownership_figures",
    "project_figures",
    "repository_figures",
]

_MOST: Final = 10
_BOTTLENECKS: Final = 3


def head(scope: Scope) -> dict[str, Any]:
    """Return what every answer says about the question."""
    return {
        "timezone": scope.timezone,
        "start": scope.start,
        "end": scope.end,
        "as_of": scope.as_of,
    }


# ---- projects --------------------------------------------------------------------------


async def project_figures(asked: Asked, scope: Scope) -> dict[str, Any]:
    """Return the fields of ``ProjectMetrics``."""
    kinds = ("project.status", "project.framework", "project.complexity")
    totals = await asked.totals(kinds, scope)
    statement, follow = projects.completion(scope), following.completion(scope)
    *spent, scores_sum, scored = (await asked.rows(statement, follow))[0]
    completion = _durations(spent)
    finished = completion.count
    by_status = by_name(ProjectStatus, totals["project.status"])
    total = sum(by_status.values())
    scores = tens(totals["project.complexity"])
    return {
        "total_projects": total,
        "active_projects": by_status[ProjectStatus.ACTIVE],
        "completed_projects": by_status[ProjectStatus.COMPLETED],
        "project_by_status": by_status,
        "finished_projects": finished,
        "completion_rate": ratio(finished, total),
        "average_completion_time": completion.mean,
        "median_completion_time": completion.median,
        "p90_completion_time": completion.p90,
        "average_complexity": ratio(scores_sum, scored),
        "complexity_distribution": scores,
        "unscored_projects": total - sum(scores.values()),
        "top_frameworks": most(totals["project.framework"]),
    }


async def ownership_figures(asked: Asked, scope: Scope) -> dict[str, Any]:
    """Return the fields that ``ProjectAnalytics`` has beside those of ``ProjectMetrics``."""
    kinds = ("conversation.phase", "message.role", "document.type", "document.bytes")
    totals = await asked.totals((*kinds, "repository.type"), scope)
    return {
        "conversations": totals["conversation.phase"].total(),
        "messages": totals["message.role"].total(),
        "documents": totals["document.type"].total(),
        "document_bytes": totals["document.bytes"].total(),
        "repositories": totals["repository.type"].total(),
    }


# ---- conversations ---------------------------------------------------------------------


def by_phase(totals: Mapping[str, int], phases: Sequence[str]) -> dict[str, int]:
    """Return how many are in each phase: the known ones, and others that somebody is in."""
    others = sorted(phase for phase in totals if phase not in phases and totals[phase])
    return by_name([*phases, *others], totals)


async def conversation_figures(asked: Asked, scope: Scope, phases: Sequence[str]) -> dict[str, Any]:
    """Return the fields of ``ConversationMetrics``."""
    kinds = ("conversation.phase", "message.role", "message.words", "message.tokens")
    totals = await asked.totals(kinds, scope)
    flow = await asked.rows(conversations.phase_flow(scope, phases[-1]))
    lengths = await asked.row(conversations.messages_per_conversation(scope))
    in_phase = by_phase(totals["conversation.phase"], phases)
    return {
        "total_conversations": sum(in_phase.values()),
        "conversations_by_phase": in_phase,
        "open_conversations": sum(in_phase.values()) - in_phase[phases[-1]],
        "phases": _flows(flow, phases),
        "messages_per_conversation": _distribution(lengths),
        "total_messages": totals["message.role"].total(),
        "total_words": totals["message.words"].total(),
        "total_tokens": totals["message.tokens"].total(),
        "messages_by_role": _roles(totals),
    }


def _flows(rows: Iterable[Any], phases: Sequence[str]) -> list[PhaseFlow]:
    found = {
        phase: PhaseFlow(
            phase=phase,
            stays=_durations(stays),
            waiting=waiting,
            waiting_seconds=seconds,
            overdue=overdue,
        )
        for phase, *stays, waiting, seconds, overdue in rows
    }
    nobody = _durations((0, None, None))
    others = sorted(found.keys() - set(phases))
    empty: dict[str, Any] = {"stays": nobody, "waiting": 0, "waiting_seconds": 0.0, "overdue": 0}
    for phase in phases:
        found.setdefault(phase, PhaseFlow(phase=phase, **empty))
    return [found[phase] for phase in (*phases, *others)]


def _roles(totals: Mapping[str, Mapping[str, int]]) -> list[RoleMessages]:
    return [
        RoleMessages(
            role=each.name,
            messages=each.count,
            words=(words := totals["message.words"][each.name]),
            tokens=totals["message.tokens"][each.name],
            average_words=words / each.count,
        )
        for each in most(totals["message.role"], len(totals["message.role"]))
    ]


async def flow_figures(
    asked: Asked, scope: Scope, phases: Sequence[str], metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields that ``ConversationFlowMetrics`` has beside the ``metrics`` it has."""
    hours, weekdays, lengths = Counter[int](), Counter[int](), Counter[str]()
    for hour, weekday, length, count in await asked.rows(conversations.patterns(scope)):
        hours[hour] += count
        weekdays[weekday] += count
        lengths[length] += count
    return {
        "funnel": _funnel(metrics["conversations_by_phase"], phases),
        "bottlenecks": _bottlenecks(metrics["phases"], phases[-1]),
        "messages_by_hour": [hours[hour] for hour in range(24)],
        "messages_by_weekday": [weekdays[day] for day in range(1, 8)],
        "message_lengths": by_name(conversations.LENGTHS, lengths),
    }


def _funnel(in_phase: Mapping[str, int], phases: Sequence[str]) -> list[FunnelStep]:
    reached = sum(in_phase[phase] for phase in phases)
    all_of_them, found = reached, []
    for phase in phases:
        is_last = phase == phases[-1]
        stopped = in_phase[phase]
        found.append(
            FunnelStep(
                phase=phase,
                reached=reached,
                share=ratio(reached, all_of_them),
                stopped=stopped,
                drop_off=ratio(0 if is_last else stopped, reached),
            )
        )
        reached -= stopped
    return found


def _bottlenecks(flows: Iterable[PhaseFlow], last_phase: str) -> list[Bottleneck]:
    waited = [flow for flow in flows if flow.phase != last_phase and flow.waiting_seconds > 0]
    total = sum(flow.waiting_seconds for flow in waited)
    longest = sorted(waited, key=lambda flow: -flow.waiting_seconds)[:_BOTTLENECKS]
    return [
        Bottleneck(
            phase=flow.phase,
            waiting=flow.waiting,
            waiting_seconds=flow.waiting_seconds,
            share=flow.waiting_seconds / total,
            average_wait=flow.waiting_seconds / flow.waiting,
            overdue=flow.overdue,
            usual_wait=flow.stays.median,
        )
        for flow in longest
    ]


# ---- documents -------------------------------------------------------------------------


async def document_figures(asked: Asked, scope: Scope) -> dict[str, Any]:
    """Return the fields of ``DocumentUsageStats``."""
    totals = await asked.totals(("document.type", "document.bytes", "document.access"), scope)
    row = await asked.row(documents.content(scope))
    reading = await asked.rows(documents.reading(scope, _MOST))
    (readers,) = await asked.row(documents.readers(scope))
    words, versions, revised = row[6:]
    accesses = totals["document.access"].total()
    read = reading[0][4] if reading else 0
    return {
        "total_documents": totals["document.type"].total(),
        "documents_by_type": by_name(DocumentType, totals["document.type"]),
        "bytes_by_type": by_name(DocumentType, totals["document.bytes"]),
        "total_bytes": totals["document.bytes"].total(),
        "total_words": words,
        "bytes_per_document": _distribution(row[:3]),
        "words_per_document": _distribution(row[3:6]),
        "revised_documents": revised,
        "past_versions": versions,
        "total_accesses": accesses,
        "read_documents": read,
        "readers": readers,
        "accesses_per_read_document": ratio(accesses, read),
        "most_read": [
            UsedDocument(id=key, name=name, accesses=count, last_accessed_at=last)
            for key, name, count, last, _ in reading
        ],
    }


# ---- repositories of code ----------------------------------------------------------------


async def repository_figures(asked: Asked, scope: Scope) -> dict[str, Any]:
    """Return the fields of ``RepositoryHealthMetrics``."""
    types, languages = Counter[str](), Counter[str]()
    for kind, language, count in await asked.rows(code.kinds(scope)):
        types[kind] += count
        if language is not None:
            languages[language] += count
    return {
        "repositories_by_type": by_name(RepositoryType, types),
        "languages": most(languages),
        **_scores(await asked.rows(code.overview(scope, _MOST))),
        **await _runs(asked, scope),
        **_activity(await asked.rows(code.activity(scope))),
        **_contributors(await asked.rows(code.contributors(scope, _MOST))),
    }


def _scores(rows: Sequence[Any]) -> dict[str, Any]:
    number, scored, average, *rest = rows[0]
    grades = len(code.GRADES)
    return {
        "total_repositories": number,
        "average_score": average,
        "repositories_by_grade": dict(zip(code.GRADES, rest[:grades], strict=True)),
        "unscored_repositories": number - scored,
        "least_healthy": [ScoredRepository(**_scored(row[3 + grades :])) for row in rows if scored],
    }


def _scored(row: Sequence[Any]) -> dict[str, Any]:
    key, name, project_id, *_ = row
    points, (score, grade) = row[9:13], row[13:15]
    return {
        "id": key,
        "name": name,
        "project_id": project_id,
        "score": score,
        "grade": grade,
        "parts": [
            HealthPart(name=part, weight=weight, points=known)
            for (part, weight), known in zip(code.WEIGHTS.items(), points, strict=True)
        ],
    }


def health_figures(row: Sequence[Any]) -> dict[str, Any]:
    """Return the fields of ``RepositoryHealth``, out of a row of ``health``."""
    day, commits, people, succeeded, failed, deployed_at = row[3:9]
    return {
        **_scored(row),
        "last_commit_day": day,
        "commits": commits,
        "contributors": people,
        "recent_succeeded_builds": succeeded,
        "recent_failed_builds": failed,
        "last_deployed_at": deployed_at,
    }


async def _runs(asked: Asked, scope: Scope) -> dict[str, Any]:
    totals = await asked.totals(("build.status", "deployment.status"), scope)
    found: dict[str, Any] = {}
    for name in ("build", "deployment"):
        counts = by_name(RunStatus, totals[f"{name}.status"])
        finished = counts[RunStatus.SUCCEEDED] + counts[RunStatus.FAILED]
        found[f"{name}s"] = sum(counts.values())
        found[f"{name}s_by_status"] = counts
        found[f"{name}_success_rate"] = ratio(counts[RunStatus.SUCCEEDED], finished)
    return found


def _activity(rows: Sequence[Any]) -> dict[str, Any]:
    by_weekday = {row[0]: row[1] for row in rows}
    return {
        "commits": sum(row[1] for row in rows),
        "lines_added": sum(row[2] for row in rows),
        "lines_removed": sum(row[3] for row in rows),
        "active_repositories": rows[0][4] if rows else 0,
        "commits_by_weekday": [by_weekday.get(day, 0) for day in range(1, 8)],
    }


def _contributors(rows: Sequence[Any]) -> dict[str, Any]:
    return {
        "contributors": rows[0][4] if rows else 0,
        "top_contributors": [
            ContributorShare(
                email=email,
                name=name,
                commits=commits,
                repositories=repositories,
                share=commits / all_commits,
            )
            for email, name, commits, repositories, _, all_commits in rows
            if commits
        ],
    }


# ---- what belongs together ---------------------------------------------------------------


async def cross_entity_figures(asked: Asked, scope: Scope) -> dict[str, Any]:
    """Return the fields of ``CrossEntityMetrics``."""
    statement, follow = lifecycle.lifecycle(scope), following.lifecycle(scope)
    number, *figures = (await asked.rows(statement, follow))[0]
    owned = await ownership_figures(asked, scope)
    amounts: dict[str, list[ResourceUse]] = {name: [] for name in lifecycle.AMOUNTS}
    most_of = await asked.rows(lifecycle.top_projects(scope, _MOST), following.top_projects(scope))
    for what, key, name, amount in most_of:
        amounts[what].append(ResourceUse(project_id=key, name=name, amount=amount))
    names = ("conversations", "messages", "documents", "repositories")
    return {
        "projects": number,
        "lifecycle": _milestones(number, figures),
        "top_projects": TopProjects(**amounts),
        **{f"{name}_per_project": ratio(owned[name], number) for name in names},
    }


def _milestones(number: int, figures: Sequence[Any]) -> list[Milestone]:
    at_once = 0.0 if number else None
    found = [
        Milestone(
            name=lifecycle.MILESTONES[0],
            reached=number,
            share=ratio(number, number),
            since_idea=_durations((number, at_once, (at_once, at_once))),
            since_previous=_durations((0, None, None)),
        )
    ]
    for place, name in enumerate(lifecycle.MILESTONES[1:]):
        since_idea, since_previous = figures[place * 6 :][:3], figures[place * 6 + 3 :][:3]
        found.append(
            Milestone(
                name=name,
                reached=since_idea[0],
                share=ratio(since_idea[0], number),
                since_idea=_durations(since_idea),
                since_previous=_durations(since_previous),
            )
        )
    return found


def _distribution(row: Sequence[Any]) -> Distribution:
    return Distribution(**_described(row))


def _durations(row: Sequence[Any]) -> DurationStatistics:
    return DurationStatistics(**_described(row))


def _described(row: Sequence[Any]) -> dict[str, Any]:
    count, mean, both = row
    median, p90 = (both or (None, None))[:2]  # bounds may come after them
    return {"count": count, "mean": mean, "median": median, "p90": p90}
