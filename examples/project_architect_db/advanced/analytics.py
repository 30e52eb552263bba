"""Analytics: what a team asks of all its projects at once.

Shows ``AnalyticsRepository``: metrics, a series beside the days before it, bottlenecks, the
health of repositories, what needs attention, and answers as files with the SQL they are from.

Prints a figure or two of each. Costs: an answer is one to five statements; the same answer,
as long as nothing has changed, is none.

Edge cases: a metric that there is none of names those there are; a viewer gets figures of
the projects that are theirs; an empty database has 0, or None where there is no mean.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

from andamios_orm import run
from andamios_orm.exceptions import ValueRefused
from project_architect_db.core import DatabaseEngine
from project_architect_db.models import (
    Build,
    Contributor,
    Conversation,
    Project,
    Repository,
    RepositoryActivity,
)
from project_architect_db.repositories import AnalyticsRepository, RepositoryRepository

TODAY = dt.datetime.now(dt.UTC).replace(hour=9, minute=0, second=0, microsecond=0)


def portfolio(number: int) -> Project:
    """One of some projects; each one began a day earlier than the one before."""
    then = TODAY - dt.timedelta(days=number)
    said = {"role": "user", "content": "Where do we stand?", "time": then}
    return Project(
        name=f"Project {number}",
        project_idea="A scaffold for the data of a team",
        architecture={"framework": ("FastAPI", "Django")[number % 2], "services": number},
        status=("draft", "active", "completed")[number % 3],
        owner=("ana", "ben")[number % 2],
        created_at=then,
        conversations=[Conversation(messages=[said] * 3, phase="design", phase_entered_at=then)],
        repositories=[
            Repository(
                name="api",
                builds=[Build(status=("succeeded", "failed")[number % 2], started_at=then)],
                contributors=[
                    Contributor(email="ana@example.org", name="Ana", commits=8),
                    Contributor(email="ben@example.org", name="Ben", commits=2),
                ],
                activity=[RepositoryActivity(day=then.date(), commits=10)],
            )
        ],
    )


async def project_analytics_example(engine: DatabaseEngine) -> None:
    """How many projects there are, in which status, and how they came to be."""
    analytics = AnalyticsRepository(engine)
    metrics = await analytics.project_metrics()
    print("projects:", metrics.total_projects, metrics.project_by_status)
    print("frameworks:", {each.name: each.count for each in metrics.top_frameworks})

    today = dt.date(TODAY.year, TODAY.month, TODAY.day)
    week = (today - dt.timedelta(days=6), today + dt.timedelta(days=1))
    series = await analytics.time_series_analysis("messages", "day", week, compare=True)
    print("messages:", [point.value for point in series.points], "after", series.previous_total)
    try:
        await analytics.time_series_analysis("mesages")
    except ValueRefused as error:
        print("refused:", error.value)


async def flow(engine: DatabaseEngine) -> None:
    """Where conversations wait, and which projects need attention."""
    analytics = AnalyticsRepository(engine, timezone="Europe/Madrid")
    found = await analytics.conversation_flow_analysis()
    for bottleneck in found.bottlenecks:
        print("bottleneck:", bottleneck.phase, "with", bottleneck.waiting, "waiting")
    attention = await analytics.needs_attention(limit=2)
    print("need attention:", attention.total)
    for item in attention.items:
        print(" ", item.name, [reason.code for reason in item.reasons])


async def health(engine: DatabaseEngine) -> None:
    """A score, and what it is made of."""
    repositories = RepositoryRepository(engine)
    (first,) = await repositories.list(limit=1)
    found = await repositories.health(first.id)
    print("health:", found.score, found.grade, {part.name: part.points for part in found.parts})


async def viewer(engine: DatabaseEngine) -> None:
    """The same questions, about the projects of one person."""
    found = await AnalyticsRepository(engine, viewer="ana").cross_entity_analytics()
    print("of ana:", found.projects, "projects,", found.messages_per_project, "messages each")


async def files(engine: DatabaseEngine) -> None:
    """An answer as CSV and Parquet, with the SQL it is from."""
    dashboard = await AnalyticsRepository(engine).dashboard()
    print("statements:", len(dashboard.sql), "rows:", len(dashboard.rows()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dashboard.parquet"
        dashboard.to_parquet(path)
        print("written:", path.name, path.stat().st_size > 0)
    before = engine.cache.statistics().hits
    await AnalyticsRepository(engine).dashboard()
    print("kept answers used:", engine.cache.statistics().hits - before)


async def main() -> None:
    """Run the steps on a database in memory."""
    async with DatabaseEngine("duckdb:///:memory:") as engine:
        await engine.initialize()
        async with engine.transaction() as session:
            session.add_all([portfolio(number) for number in range(12)])
        for step in (project_analytics_example, flow, health, viewer, files):
            await step(engine)


if __name__ == "__main__":
    run(main())
