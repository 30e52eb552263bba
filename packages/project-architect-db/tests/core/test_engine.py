"""The database of a project architect: opened, brought up to date, asked, closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData, func, select
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from andamios_orm.exceptions import StatementRefused
from project_architect_db.core import DatabaseEngine, SessionManager
from project_architect_db.models import Project
from project_architect_db.repositories import ProjectRepository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from andamios_orm.testing.prepared import PreparedDatabases

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

EMPTY = MetaData()


@pytest.fixture(params=["duckdb", "postgresql"])
async def engine(
    request: pytest.FixtureRequest, andamios_prepared: PreparedDatabases
) -> AsyncIterator[DatabaseEngine]:
    """Yield a database that has just got its tables, of each system in turn."""
    with getattr(andamios_prepared, request.param)(EMPTY) as url:
        async with DatabaseEngine(url) as engine:
            await engine.initialize()
            yield engine


@pytest.mark.slow
async def test_a_new_database_gets_its_tables_once(
    engine: DatabaseEngine, project_values: Callable[..., dict[str, Any]]
) -> None:
    await engine.initialize()

    project = await ProjectRepository(engine).create(project_values())

    assert isinstance(engine.engine, AsyncEngine)
    assert project.id == 1
    assert (await engine.health()).ok
    assert await engine.migrations.check() == ()


@pytest.mark.slow
async def test_a_session_belongs_to_who_asked_for_it(
    engine: DatabaseEngine, project_values: Callable[..., dict[str, Any]]
) -> None:
    session = await engine.get_session()
    session.add(Project(**project_values()))
    await session.commit()
    await session.close()

    async with engine.session() as other:
        assert await other.scalar(select(func.count()).select_from(Project)) == 1


@pytest.mark.slow
async def test_any_statement_is_run_and_committed(engine: DatabaseEngine) -> None:
    sql = "INSERT INTO project_members (project_id, member, added_at) VALUES (:id, :name, now())"

    assert await engine.execute_raw("CREATE TABLE notes (text VARCHAR)") == []
    await engine.execute_raw("INSERT INTO notes VALUES (:text)", {"text": "a"})
    await engine.execute_raw("INSERT INTO notes VALUES ('b:c')")

    rows = await engine.execute_raw("SELECT text FROM notes ORDER BY text", read_only=True)
    assert rows == [{"text": "a"}, {"text": "b:c"}]
    one = "SELECT text FROM notes WHERE text = :text"
    assert await engine.execute_raw(one, {"text": "a"}, read_only=True) == [{"text": "a"}]
    assert await engine.execute_raw(one, {"text": "a"}) == [{"text": "a"}]
    with pytest.raises((StatementRefused, ProgrammingError)):
        await engine.execute_raw(sql, {"id": 1, "name": "ana"}, read_only=True)


async def test_duckdb_says_that_a_statement_writes() -> None:
    async with DatabaseEngine("duckdb:///:memory:") as engine:
        with pytest.raises(StatementRefused, match="one may only read"):
            await engine.execute_raw("CREATE TABLE a (b INT)", read_only=True)


@pytest.mark.slow
async def test_steps_in_one_transaction_are_all_or_nothing(
    engine: DatabaseEngine, project_values: Callable[..., dict[str, Any]]
) -> None:
    manager = SessionManager(engine)

    async def create(session: Any) -> int:
        return (await ProjectRepository(session).create(project_values())).id

    def fail(_session: Any) -> None:
        raise LookupError

    assert await manager.execute_in_transaction([create, lambda _: "plain", create]) == [
        1,
        "plain",
        2,
    ]
    with pytest.raises(LookupError):
        await manager.execute_in_transaction([create, fail])
    async with SessionManager(engine.engine).transaction() as session:
        assert await ProjectRepository(session).count() == 2


@pytest.mark.slow
async def test_a_commit_inside_of_begin_is_legal(
    engine: DatabaseEngine, project_values: Callable[..., dict[str, Any]]
) -> None:
    async with SessionManager(engine).session() as session, session.begin():
        session.add(Project(**project_values()))
        await session.commit()

    assert await ProjectRepository(engine).count() == 1


def test_an_engine_shows_its_kind_and_no_password() -> None:
    engine = DatabaseEngine("postgresql://ana:secret@db.example/architect")

    assert repr(engine).startswith("DatabaseEngine('postgresql")
    assert "secret" not in repr(engine)
