"""What a repository works on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.repositories.models import Counter, Project, Token

from andamios_orm.exceptions import ConfigurationError, NotFound, ValueRefused
from andamios_orm.models import acting_as
from andamios_orm.repositories import BaseRepository, GenericRepository, operation

if TYPE_CHECKING:
    from tests.repositories.conftest import Statements

    from andamios_orm import Database, Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Projects(BaseRepository[Project]):
    """Projects, with one question of their own."""

    model = Project

    @operation()
    async def named(self, name: str) -> int:
        """Return how many have a name."""
        await self.session.flush()
        return await self.count(name=name)

    async def undeclared(self) -> None:
        """Use the session without being an operation."""
        await self.session.flush()


async def test_a_repository_works_without_a_class_of_its_own(session: Session) -> None:
    async with BaseRepository(session, Project) as projects:
        project = await projects.create({"name": "a"})

    assert repr(projects) == "BaseRepository(Project)"
    assert project.id == 1
    assert projects.session is session


async def test_the_end_of_the_block_commits_and_closes_nothing(database: Database) -> None:
    async with database.session() as session:
        async with Projects(session) as projects:
            await projects.create({"name": "a"})
        assert session.in_transaction()
        await session.rollback()

    assert await Projects(database).count() == 0


@pytest.mark.parametrize(
    ("source", "model", "message"),
    [
        (None, Project, "a repository works on an AsyncSession or a Database, not on NoneType"),
        ("session", None, "BaseRepository has no model"),
        ("session", int, "is not a mapped class"),
        ("session", Project.__table__, "is not a mapped class"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    session: Session, source: Any, model: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        BaseRepository(session if source else source, model)


async def test_on_a_database_each_call_is_committed(database: Database) -> None:
    projects = Projects(database)

    async with projects:
        project = await projects.create({"name": "a"})
        await projects.update(project.id, {"name": "b"})

    assert (await projects.get(project.id)).name == "b"
    assert await projects.named("b") == 1
    assert [row.name async for row in projects.stream()] == ["b"]
    assert await projects.delete(project.id)
    assert await projects.count() == 0


async def test_creates_of_many_tasks_share_commits(
    database: Database, statements: Statements
) -> None:
    tokens = GenericRepository(database, Token)

    made = await asyncio.gather(*(tokens.create({"label": str(n)}) for n in range(50)))

    inserts = [text for text in statements.texts if text.startswith("INSERT INTO tokens")]
    assert [token.label for token in made] == [str(number) for number in range(50)]
    assert len(inserts) < 25


async def test_creates_of_many_tasks_say_each_who_acted(database: Database) -> None:
    projects = GenericRepository(database, Project)

    async def create(name: str) -> str | None:
        with acting_as(name):
            return (await projects.create({"name": name})).created_by

    names = [f"n{number}" for number in range(20)]
    assert await asyncio.gather(*(create(name) for name in names)) == names


async def test_a_refused_create_is_the_callers_alone(database: Database) -> None:
    projects = GenericRepository(database, Project)

    outcomes = await asyncio.gather(
        *(projects.create({"name": "x" * length}) for length in (1, 99, 2)), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [Project, ValueRefused, Project]
    assert await projects.count() == 2


async def test_a_database_has_no_session_but_a_transaction(database: Database) -> None:
    projects = Projects(database)

    with pytest.raises(ConfigurationError, match=r"decorate the method with @operation\(\)"):
        await projects.undeclared()
    async with projects.transaction(write=True) as inner:
        await inner.undeclared()
        await inner.create({"name": "a"})
    assert await projects.count() == 1


async def test_a_session_has_its_transaction_already(session: Session) -> None:
    with pytest.raises(ConfigurationError, match="whoever opened that commits it"):
        async with Projects(session).transaction():
            pytest.fail("it was entered")


async def test_an_error_on_a_database_stores_nothing(database: Database) -> None:
    projects = Projects(database)

    with pytest.raises(NotFound):
        await projects.update_many([{"id": 1, "name": "a"}])

    assert await projects.count() == 0


async def test_several_repositories_share_a_transaction(database: Database) -> None:
    async for attempt in database.transaction(retry=True):
        async with attempt as session:
            await Projects(session).create({"name": "a"})
            await BaseRepository(session, Counter).create({"value": 1})

    assert await Projects(database).count() == 1
    assert await GenericRepository(database, Counter).count() == 1
