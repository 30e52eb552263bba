"""Kept answers that follow projects which were changed equal those that are asked anew."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from tests.recomputation.asking import check_pages, check_ranges
from tests.recomputation.comparing import Compared
from tests.recomputation.made import NOW, Made
from tests.recomputation.rows import Question, read_rows

from project_architect_db.analytics import following_attention, quantiles
from project_architect_db.models import Project, ProjectStatus
from project_architect_db.repositories import AnalyticsRepository, analytics

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database
    from andamios_orm.testing.clock import FrozenClock

pytestmark = [pytest.mark.integration, pytest.mark.db]

RANGES = (None, (dt.date(2026, 4, 1), dt.date(2026, 7, 1)))
FOLLOWING = ("project_metrics", "cross_entity_analytics")


@pytest.fixture
def few_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know many values around quantiles, for there are few in all; keep a short list."""
    shares = (*quantiles.SHARES, 0.2, 0.8, 0.6, 1.0)
    monkeypatch.setattr(quantiles._Around, "shares", shares)
    monkeypatch.setattr(analytics, "_USUAL", 3)
    for module in (analytics, following_attention):
        monkeypatch.setattr(module, "SPARE", 3)


async def check(database: Database) -> int:
    """Compare kept answers with those asked anew; return how many statements were sent for them."""
    kept = AnalyticsRepository(database)
    sent: list[Any] = []
    answers: list[tuple[str, tuple[Any, ...], Any]] = []
    stop = database.observer.subscribe(sent.append)
    for name, arguments in questions():
        answers.append((name, arguments, await getattr(kept, name)(*arguments)))
    stop()
    for name, arguments, found in answers:
        anew = await getattr(kept.uncached(), name)(*arguments)
        Compared().check(found, dumped(anew), (name, arguments))
    return len(sent)


def dumped(answer: Any) -> dict[str, Any]:
    """Return an answer as a dict, and so all that is in it."""
    found: dict[str, Any] = answer.model_dump()
    return found


def questions() -> list[tuple[str, tuple[Any, ...]]]:
    """Return what is asked."""
    found: list[tuple[str, tuple[Any, ...]]] = [
        (name, (each,)) for name in FOLLOWING for each in RANGES
    ]
    found += [("time_series_analysis", ("projects_completed", "week", each)) for each in RANGES]
    return [*found, ("dashboard", ()), ("needs_attention", (3,))]


class Changes:
    """Changes of projects, and of nothing else, by chance."""

    def __init__(self, made: Made, database: Database) -> None:
        """Take the chance from ``made``."""
        self.made = made
        self.random = made.random
        self.database = database

    async def one(self) -> None:
        """Change a project, or a few, in one transaction."""
        async with self.database.transaction() as session:
            if self.random.random() < 0.3:
                session.add(Project(**self.made._project(self.random.randrange(1_000))))
                return
            everything = select(Project).execution_options(include_deleted=True)
            found = list((await session.scalars(everything.order_by(Project.id))).all())
            for project in self.random.sample(found, k=min(self.random.randint(1, 2), len(found))):
                self._change(project)

    def _change(self, project: Project) -> None:
        change = self.random.choice(["name", "status", "quiet", "deleted", "score", "created"])
        if change == "name":
            project.name = f"Renamed {self.random.randrange(100)}"
        elif change == "status":
            project.status = self.random.choice(list(ProjectStatus))
        elif change == "quiet":
            project.updated_at = self.made.moment()
        elif change == "deleted":
            project.deleted_at = NOW if project.deleted_at is None else None
        elif change == "score":
            project.architecture = self.made._architecture()
        elif change == "created":
            project.created_at = self.made.moment()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_answers_follow_changes_of_projects(
    database: Database,
    frozen_clock: FrozenClock,
    few_known: None,
    rounds: Callable[[int, int, int], int],
    seed: int,
) -> None:
    made = Made(600 + seed, 20, frozen_clock)
    await made.write(database)
    changes = Changes(made, database)
    await check(database)

    for _ in range(rounds(3, 12, 100)):
        for _ in range(made.random.choice([1, 1, 3])):
            await changes.one()
        await check(database)

    async with database.session() as session:
        rows = await read_rows(session)
    question = Question(NOW)
    await check_ranges(database, rows, question, Compared())
    await check_pages(database, rows, question, Compared())
