"""Questions to the library, each beside what plain Python says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.recomputation.of_conversations import conversation_flow_analysis, conversation_metrics
from tests.recomputation.of_lives import cross_entity_analytics, needs_attention
from tests.recomputation.of_projects import document_usage_stats, project_analytics, project_metrics
from tests.recomputation.of_repositories import repository_health, repository_health_metrics
from tests.recomputation.of_time import dashboard, time_series_analysis
from tests.recomputation.rows import counting

from project_architect_db.repositories import (
    AnalyticsRepository,
    ConversationRepository,
    ProjectRepository,
    RepositoryRepository,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.recomputation.comparing import Compared
    from tests.recomputation.rows import Question, Rows

    from andamios_orm import Database, Session

__all__ = ["IN_RANGES", "check_pages", "check_ranges", "check_series", "check_shortcuts"]

IN_RANGES: dict[str, Any] = {
    "project_metrics": project_metrics,
    "project_analytics": project_analytics,
    "conversation_metrics": conversation_metrics,
    "conversation_flow_analysis": conversation_flow_analysis,
    "document_usage_stats": document_usage_stats,
    "repository_health_metrics": repository_health_metrics,
    "cross_entity_analytics": cross_entity_analytics,
}
"""What is asked about a time, and what computes it again."""


def _repository(database: Database | Session, question: Question) -> AnalyticsRepository:
    repository = AnalyticsRepository(
        database, viewer=question.viewer, timezone=question.timezone, phases=question.phases
    )
    chosen = repository if question.samples else repository.without_samples()
    return chosen.at(question.now)


async def check_ranges(
    database: Database | Session, rows: Rows, question: Question, compared: Compared
) -> None:
    """Compare what is asked about a time."""
    repository, some = _repository(database, question), counting(rows, question)
    for name, recomputed in IN_RANGES.items():
        found = await getattr(repository, name)(question.date_range)
        compared.check(found, recomputed(some, question), question)


async def check_pages(
    database: Database | Session, rows: Rows, question: Question, compared: Compared
) -> None:
    """Compare what is asked about now: dashboard, attention, health of each repository."""
    repository, some = _repository(database, question), counting(rows, question)
    compared.check(await repository.dashboard(), dashboard(some, question), question)
    for limit in (1, 4, 200):
        found = await repository.needs_attention(limit)
        compared.check(found, needs_attention(some, question, limit), question)
    for key in [row["id"] for row in some.repositories][:12]:
        health = await repository.repository_health(key)
        compared.check(health, repository_health(some, question.about(None), key), question)


async def check_shortcuts(
    database: Database,
    rows: Rows,
    question: Question,
    compared: Compared,
    *,
    talks: type[ConversationRepository] = ConversationRepository,
) -> None:
    """Compare what other repositories answer; they ask in UTC, and by the clock."""
    some = counting(rows, question)
    async with database.session() as session:
        projects = ProjectRepository(session, viewer=question.viewer)
        summary = await projects.analytics_summary(question.date_range)
        compared.check(summary, project_analytics(some, question), question)
        conversations = talks(session, viewer=question.viewer)
        metrics = await conversations.conversation_analytics(question.date_range)
        compared.check(metrics, conversation_metrics(some, question), question)
        repositories = RepositoryRepository(session, viewer=question.viewer)
        asked = question.about(None)
        for key in [row["id"] for row in some.repositories][-6:]:
            health = await repositories.health(key)
            compared.check(health, repository_health(some, asked, key), asked)


async def check_series(
    database: Database,
    rows: Rows,
    question: Question,
    compared: Compared,
    chosen: Iterable[tuple[str, Any, bool]],
) -> None:
    """Compare series: of each metric and granularity, compared with before or not."""
    repository, some = _repository(database, question), counting(rows, question)
    for metric, granularity, compare in chosen:
        found = await repository.time_series_analysis(
            metric, granularity, question.date_range, compare=compare
        )
        expected = time_series_analysis(some, question, metric, granularity, compare=compare)
        compared.check(found, expected, (metric, granularity, compare, question))
