"""Sums that are kept by day equal those of the rows, whatever was written or deleted."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.bulk import bulk_create, bulk_delete, bulk_update
from andamios_orm.repositories import GenericRepository
from project_architect_db.analytics.metrics import KINDS
from project_architect_db.analytics.scope import Scope
from project_architect_db.analytics.shapes import tens, totals_of
from project_architect_db.analytics.sums import _of_rows, are_kept, sums
from project_architect_db.models import (
    Build,
    Conversation,
    ConversationMessage,
    Deployment,
    Document,
    DocumentAccess,
    Project,
    Repository,
    rollups,
)
from project_architect_db.repositories import (
    ConversationRepository,
    DocumentRepository,
    ProjectRepository,
    RepositoryRepository,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database, Session

    Values = Callable[..., dict[str, Any]]

pytestmark = [pytest.mark.integration, pytest.mark.db]

KEPT = tuple(name for name, kind in KINDS.items() if kind.is_kept)
SCOPE = Scope.of(None, None, "UTC")


def of_rows(step: str | None) -> list[Any]:
    """Return statements for the same sums that cannot be answered by those that are kept."""
    return [_of_rows(KINDS[name], SCOPE, step) for name in KEPT]


class Writing:
    """Random writes of everything that is summed up."""

    def __init__(self, session: Session, chance: random.Random, values: Values) -> None:
        """Write in ``session``."""
        self.session = session
        self.chance = chance
        self.values = values
        self.entities: tuple[Any, ...] = (
            *(ProjectRepository(session), ConversationRepository(session)),
            *(DocumentRepository(session), RepositoryRepository(session)),
        )

    async def write(self) -> None:
        """Do one of all that can be done."""
        doors = (
            self.create,
            self.create,
            self.add,
            self.add,
            self.change,
            self.delete,
            self.restore,
        )
        await self.chance.choice(doors)()
        if self.chance.random() < 0.1:
            await rollups.compact(self.session)

    async def key(self, repository: Any, **options: Any) -> int | None:
        """Return the key of some row, if there is one."""
        rows = await repository.list(limit=30, order_by="-id", **options)
        return self.chance.choice(rows).id if rows else None

    async def create(self) -> None:
        """Create a project with something of each kind."""
        plan = {"framework": self.chance.choice("abc"), "services": self.chance.randrange(20)}
        messages = [{"role": "user", "content": "a b c", "tokens": 3}]
        self.session.add(
            Project(
                **self.values(status=self.chance.choice(["draft", "completed"]), architecture=plan),
                conversations=[Conversation(messages=messages)],
                documents=[Document(name="a", content="four", accesses=[DocumentAccess()])],
                repositories=[Repository(name="r", builds=[Build(status="failed")])],
            )
        )
        await self.session.flush()

    async def add(self) -> None:
        """Add to what is there; also to what was deleted, which no repository would do."""
        model, parent, values = self.chance.choice(
            [
                (ConversationMessage, 1, {"role": "bot", "content": "x y"}),
                (DocumentAccess, 2, {}),
                (Build, 3, {"status": "succeeded"}),
                (Deployment, 3, {"status": "failed"}),
            ]
        )
        column = {1: "conversation_id", 2: "document_id", 3: "repository_id"}[parent]
        key = await self.key(self.entities[parent], with_deleted=self.chance.random() < 0.3)
        if key is not None:
            rows = [{**values, column: key} for _ in range(self.chance.randrange(1, 3))]
            await bulk_create(self.session, model, rows)

    async def change(self) -> None:
        """Change rows that are there, one or several, or remove a message."""
        key = await self.key(self.entities[0])
        if key is not None:
            status = self.chance.choice(["active", "completed", "archived"])
            await bulk_update(self.session, Project, [{"id": key, "status": status}])
        key = await self.key(self.entities[1])
        if key is not None:
            phase = self.chance.choice(["review", "design"])
            await self.entities[1].update(key, {"phase": phase})
        messages = GenericRepository(self.session, ConversationMessage)
        key = await self.key(messages)
        if key is not None and self.chance.random() < 0.5:
            await messages.delete(key)

    async def delete(self) -> None:
        """Delete a row softly, or for good, deleted or not."""
        repository = self.chance.choice(self.entities)
        purge = self.chance.random() < 0.3
        key = await self.key(repository, with_deleted=purge)
        if key is not None:
            await bulk_delete(self.session, repository.model, [key], purge=purge)

    async def restore(self) -> None:
        """Take back a deletion, if there was one."""
        repository = self.chance.choice(self.entities)
        gone = await repository.with_deleted().first(repository.model.deleted_at.is_not(None))
        if gone is not None:
            await repository.restore(gone.id)


@pytest.mark.slow
@pytest.mark.sampled(2)
async def test_kept_sums_equal_those_of_the_rows_after_random_writes(
    database: Database, project_values: Values, rounds: Callable[[int, int, int], int]
) -> None:
    chance = random.Random(5)
    assert are_kept(KEPT, SCOPE, "day")

    for _ in range(rounds(8, 150, 10_000)):
        async with database.transaction() as session:
            await Writing(session, chance, project_values).write()

    async with database.session() as session:
        for step in (None, "day", "month"):
            kept = (await session.execute(sums(KEPT, SCOPE, step))).all()
            made = [row for each in of_rows(step) for row in await session.execute(each)]
            assert folded(kept) == folded(made)
            assert kept


def folded(rows: Any) -> dict[Any, Any]:
    """Return sums by kind, step and key, without those that are 0; scores by tens."""
    by_step: dict[Any, list[Any]] = {}
    for row in rows:
        by_step.setdefault(tuple(row[3:]), []).append(row)
    found: dict[Any, Any] = {}
    for step, each in by_step.items():
        totals: dict[str, Any] = dict(totals_of(each))
        totals["project.complexity"] = tens(totals.get("project.complexity", {}))
        for kind, counts in totals.items():
            found.update({(step, kind, key): total for key, total in counts.items() if total})
    return found


@pytest.mark.parametrize(
    ("scope", "step", "kept"),
    [
        (SCOPE, None, True),
        (SCOPE, "year", True),
        (SCOPE, "hour", False),
        (Scope.of(None, "ana", "UTC"), None, False),
        (Scope.of(None, None, "Europe/Madrid"), None, True),
        (Scope.of(None, None, "Europe/Madrid"), "day", False),
        (Scope.of((SCOPE.as_of.date(), None), None, "UTC"), "day", True),
        (Scope.of((SCOPE.as_of.date(), None), None, "Asia/Tokyo"), None, False),
    ],
)
def test_kept_sums_know_no_viewer_zone_or_hour(scope: Scope, step: str | None, kept: bool) -> None:  # noqa: FBT001 - a case
    assert are_kept(("message.role",), scope, step) is kept
    assert ("rollup_deltas" in str(sums(("message.role",), scope, step))) is kept
    assert not are_kept(("message.role", "repository.type"), scope, step)
