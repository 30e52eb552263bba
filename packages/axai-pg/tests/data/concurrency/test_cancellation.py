"""A scope may be cancelled anywhere: all or nothing is stored, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from andamios_orm.testing.cancelling import CancelledAt
from axai_pg.data.config.database import PostgresPoolConfig
from axai_pg.data.models import Document, Organization, Topic
from axai_pg.data.repositories import DocumentRepository, TopicRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg
    from tests.data.concurrency.conftest import Firm

    from andamios_orm import Session
    from axai_pg.data.config.database import DatabaseManager

pytestmark = [pytest.mark.concurrency, pytest.mark.db, pytest.mark.sampled(9)]

CONTEXT = text(
    "SELECT concat(current_setting('axai.org_id', true), current_setting('axai.user_id', true), "
    "current_setting('axai.change_description', true)), current_user = session_user, "
    "(SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory')"
)


@pytest.fixture
def manager(service: str, manager_of: Callable[..., DatabaseManager]) -> DatabaseManager:
    """Return a manager with one connection, so that whatever is left is on it."""
    pool = PostgresPoolConfig(pool_size=1, max_overflow=0, pool_timeout=10)
    return manager_of(service, pool=pool, require_unprivileged=True)


async def read(session: Session, firm: Firm, _: str) -> None:
    """Read a document, and what it was."""
    documents = DocumentRepository(session)
    assert len(await documents.list()) == len(firm.documents)
    await documents.versions(firm.documents[0])


async def create(session: Session, firm: Firm, name: str) -> None:
    """Make a document with a summary."""
    given = {"title": name, "owner_id": firm.user_id}
    summary = {"content": name, "summary_type": "short", "tool_agent": "x"}
    await DocumentRepository(session).create_with_summary(given, summary)


async def update(session: Session, firm: Firm, name: str) -> None:
    """Change a document, as a new version."""
    documents = DocumentRepository(session)
    version = (await documents.get(firm.documents[0])).version
    await documents.update_with_version(firm.documents[0], {"title": name}, name, version=version)


async def load(session: Session, _: Firm, name: str) -> None:
    """Make topics by a bulk."""
    rows = [{"name": name}, *({"name": f"{name} {number}"} for number in range(100))]
    await TopicRepository(session).bulk_create(rows)


async def give_up(session: Session, firm: Firm, name: str) -> None:
    """Roll back what was written."""
    await create(session, firm, name)
    await session.rollback()


Unit = Any
TITLES = "SELECT count(*) FROM documents WHERE org_id = %s AND title = %s"
LEFT: dict[Unit, str] = {
    create: TITLES,
    update: "SELECT count(*) FROM documents AS d JOIN document_versions AS v ON "
    "d.id = v.document_id AND v.version = d.version - 1 WHERE d.org_id = %s AND "
    "d.title = %s AND d.change_description = d.title",
    load: "SELECT count(*) FROM topics WHERE org_id = %s AND name = %s",
    give_up: TITLES,
}


@pytest.mark.slow
@pytest.mark.parametrize("unit", [read, *LEFT], ids=lambda unit: unit.__name__)
@pytest.mark.parametrize("delay", [0, 0.0005], ids=["at once", "a bit later"])
async def test_cancelled_at_any_point_it_leaves_all_or_nothing(
    manager: DatabaseManager,
    firms: Sequence[Firm],
    superuser: psycopg.Connection[Any],
    unit: Unit,
    delay: float,
) -> None:
    firm, other = firms
    engine: Any = manager._async_engine
    reached, point = True, 0
    stages: list[str] = []
    while reached:
        point += 1
        name, stages = f"{point} {uuid.uuid4()}", ["before"]

        async def work(name: str = name, stages: list[str] = stages) -> None:
            async with manager.async_session_scope(firm.id, firm.user_id) as session:
                await unit(session, firm, name)
                stages.append("committing")
            stages.append("acknowledged")

        async def run(cancelled: CancelledAt) -> set[uuid.UUID]:
            """Go on in the same task, in another organisation."""
            with suppress(asyncio.CancelledError):
                await cancelled
            async with manager.async_session_scope(other.id) as session:
                return set(await session.scalars(text("SELECT org_id FROM documents")))

        cancelled = CancelledAt(work(), point, delay)
        async with asyncio.timeout(20):
            with suppress(asyncio.CancelledError):  # a bit later, it was over
                assert await asyncio.create_task(run(cancelled)) == {other.id}
        reached = cancelled.reached

        assert engine.pool.checkedout() == 0
        async with engine.connect() as connection:
            assert (await connection.execute(CONTEXT)).one() == ("", True, 0)
        if unit in LEFT:
            [left] = superuser.execute(LEFT[unit], [firm.id, name]).fetchone() or [None]
            expected = {"before": {0}, "committing": {0, 1}, "acknowledged": {1}}[stages[-1]]
            assert left in ({0} if unit is give_up else expected), stages
        assert point < 300
    assert point > 3
    assert stages[-1] == "acknowledged"


async def test_a_task_that_waits_for_a_connection_may_go(
    manager: DatabaseManager, firm: Firm
) -> None:
    async def wait() -> None:
        async with manager.async_session_scope(firm.id) as session:
            await session.scalars(select(Topic))

    async with manager.async_session_scope(firm.id) as session:
        await session.scalars(select(Organization))
        tasks = [asyncio.create_task(wait()) for _ in range(4)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(each) for each in ended] == [asyncio.CancelledError, type(None)] * 2
    engine: Any = manager._async_engine
    assert engine.pool.checkedout() == 0
    async with manager.async_session_scope(firm.id) as session:
        assert len(list(await session.scalars(select(Document)))) == len(firm.documents)
