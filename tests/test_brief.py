"""What was promised before a line was written, letter for letter, on both databases.

The promises are kept as text, so that no formatter changes a letter of them. Those of the
web service and of axai_pg follow with what they are about.
"""

import ast
import datetime as dt
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, func

from andamios_orm import Database, Session
from andamios_orm.testing.lending import LentDatabases
from project_architect_db.core import DatabaseEngine, SessionManager
from project_architect_db.models import Base, Project
from project_architect_db.queries import BulkOperations, QueryBuilder
from project_architect_db.repositories import ProjectRepository
from project_architect_db.schemas import ProjectCreate, ProjectSchema
from project_architect_db.testing.factories import ProjectFactory

pytestmark = [pytest.mark.e2e, pytest.mark.db, pytest.mark.sampled(2)]

REPOSITORY = """
async with ProjectRepository(session) as repo:                      # B
    project = await repo.create(project_data)                       # dict, ProjectCreate or ProjectFactory.build()
    drafts = await repo.list_by_status("draft")
    await repo.update(project.id, {"status": "completed"})
"""  # noqa: E501 - letter for letter
QUERY = """
rows = await (QueryBuilder(Project, session).filter(status="active").filter_by_date_range("created_at", start, end)
    .filter_json("architecture", "$.framework", "FastAPI").order_by(Project.created_at.desc()).limit(50).all())
"""  # noqa: E501 - letter for letter
AGGREGATE = """
row = await (QueryBuilder(Project, session).filter(status="active").aggregate([func.count().label("total"),
    func.avg(func.json_extract("architecture", "$.complexity_score")).label("avg_complexity")]).first())   # a name of a JSON column means the column
"""  # noqa: E501 - letter for letter
TRANSACTION = """
async with session_manager.transaction() as session: ...            # commit, or rollback on any exception
"""  # noqa: E501 - letter for letter


@pytest.fixture(scope="module")
def andamios_metadata() -> MetaData:
    """Return the tables that databases have from the start."""
    return Base.metadata


@pytest.fixture(params=["duckdb", "postgresql"])
def database(
    request: pytest.FixtureRequest, andamios_databases: LentDatabases
) -> Iterator[Database]:
    """Yield a database with the tables of the package, of each system in turn."""
    with getattr(andamios_databases, request.param)(Base.metadata) as database:
        yield database


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    """Yield a session that is rolled back in the end."""
    async with database.session() as session:
        yield session
        await session.rollback()


async def run(promise: str, **names: Any) -> dict[str, Any]:
    """Return the names that a promise leaves, run with ``names`` and what it imports."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(promise, "the promise", "exec", flags=flags)
    assert code.co_flags & inspect.CO_COROUTINE
    namespace = {
        "ProjectRepository": ProjectRepository,
        "QueryBuilder": QueryBuilder,
        "Project": Project,
        "func": func,
        **names,
    }
    await eval(code, namespace)  # noqa: S307 - the text above
    return namespace


def values(**given: Any) -> dict[str, Any]:
    """Return what a project needs, and what it is given."""
    return {"name": "Andamios", "project_idea": "A scaffold for the data of a team", **given}


@pytest.mark.parametrize(
    "project_data",
    [values, lambda: ProjectCreate(**values()), lambda: ProjectFactory.build(status="draft")],
    ids=["dict", "schema", "factory"],
)
async def test_a_repository_is_a_context(
    session: Session, project_data: Callable[[], object]
) -> None:
    left = await run(REPOSITORY, session=session, project_data=project_data())

    project = left["project"]
    assert left["drafts"] == [project]
    assert project.status == "completed"
    assert project.completed_at is not None


async def test_a_query_is_put_together(session: Session) -> None:
    await ProjectRepository(session).add_many(
        [
            values(name="found", status="active", architecture={"framework": "FastAPI"}),
            values(name="other", status="active", architecture={"framework": "Flask"}),
            values(name="draft", architecture={"framework": "FastAPI"}),
        ]
    )
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)

    left = await run(QUERY, session=session, start=now - day, end=now + day)
    before = await run(QUERY, session=session, start=now - 2 * day, end=now - day)

    assert [project.name for project in left["rows"]] == ["found"]
    assert before["rows"] == []


async def test_an_aggregate_reads_documents(session: Session) -> None:
    scores = [30, 50, None]
    rows = [values(status="active", architecture={"complexity_score": each}) for each in scores]
    await ProjectRepository(session).add_many([*rows, values(status="draft")])

    row = (await run(AGGREGATE, session=session))["row"]

    assert (row.total, row.avg_complexity) == (3, 40)


async def test_a_transaction_commits_or_takes_back(database: Database) -> None:
    session_manager = SessionManager(database)
    block = TRANSACTION.strip().replace("...", "session.add(project); fail()", 1)

    def refuse() -> None:
        raise LookupError

    await run(TRANSACTION, session_manager=session_manager)
    await run(
        block, session_manager=session_manager, project=Project(**values()), fail=lambda: None
    )
    with pytest.raises(LookupError):
        await run(block, session_manager=session_manager, project=Project(**values()), fail=refuse)

    assert await ProjectRepository(database).count() == 1


async def test_a_read_schema_takes_a_project_as_it_is_found_by_key(database: Database) -> None:
    projects = ProjectRepository(database)
    project = await projects.create(values(owner="ana"))

    found = ProjectSchema.model_validate(await projects.get_by_id(project.id))

    assert (found.conversations, found.documents, found.repositories) == ([], [], [])


async def test_bulk_operations_have_names(session: Session) -> None:
    created = await BulkOperations.bulk_insert_projects(session, [values(), values(name="b")])
    changed = await BulkOperations.bulk_update_status(session, [created[1].id], "active")
    await BulkOperations.bulk_analytics_refresh(session)

    assert (len(created), created[0].name, changed) == (2, "Andamios", 1)


async def test_a_session_may_commit_inside_its_own_beginning(database: Database) -> None:
    async with database.session() as session, session.begin():
        session.add(Project(**values()))
        await session.commit()

    assert await ProjectRepository(database).count() == 1


async def test_functions_run_in_one_transaction(database: Database) -> None:
    manager = SessionManager(database)

    def add(session: Session) -> str:
        session.add(Project(**values()))
        return "added"

    async def count(session: Session) -> int:
        return await ProjectRepository(session).count()

    async def refuse(session: Session) -> None:
        raise LookupError

    calls: list[Callable[[Session], Awaitable[object] | object]] = [add, count]
    results = await manager.execute_in_transaction(calls)
    with pytest.raises(LookupError):
        await manager.execute_in_transaction([add, refuse])

    assert list(results) == ["added", 1]
    assert await ProjectRepository(database).count() == 1


async def test_an_engine_opens_asks_and_closes(tmp_path: Path) -> None:
    engine = DatabaseEngine(f"duckdb:///{tmp_path / 'architect.duckdb'}")
    await engine.initialize()
    session = await engine.get_session()
    session.add(Project(**values()))
    await session.commit()
    await session.close()

    rows = await engine.execute_raw("SELECT name FROM projects WHERE id = :id", {"id": 1})
    health = await engine.health()
    await engine.close()

    assert (rows, health.ok) == ([{"name": "Andamios"}], True)
    assert type(engine.engine).__name__ == "AsyncEngine"
