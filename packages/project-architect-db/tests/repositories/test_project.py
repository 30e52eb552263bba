"""Projects: found by status and name, alone or with all that belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.exceptions import BulkRefused, NotFound, NotLoaded, QueryRefused, ValueRefused
from andamios_orm.models import acting_as
from project_architect_db.models import (
    Build,
    Contributor,
    Conversation,
    Document,
    Project,
    Repository,
    RunStatus,
)
from project_architect_db.repositories import ProjectRepository

if TYPE_CHECKING:
    from collections.abc import Callable

    from andamios_orm import Database, Session

    Values = Callable[..., dict[str, Any]]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


@pytest.fixture
def projects(session: Session) -> ProjectRepository:
    return ProjectRepository(session)


@pytest.fixture
def whole(project_values: Values) -> Project:
    """Return a new project with one of everything."""
    return Project(
        **project_values(),
        conversations=[Conversation(messages=[{"role": "user", "content": "two words"}])],
        documents=[Document(name="README", content="# A")],
        repositories=[
            Repository(
                name="api",
                builds=[Build(status=RunStatus.SUCCEEDED)],
                contributors=[Contributor(email="ana@example.org", name="Ana")],
            )
        ],
    )


async def test_a_new_project_has_its_typed_columns(
    projects: ProjectRepository, project_values: Values
) -> None:
    architecture = {"framework": "FastAPI", "services": ["api", "worker"]}

    with acting_as("ana"):
        project = await projects.create(
            project_values(architecture=architecture, status="completed")
        )

    assert project.framework == "FastAPI"
    assert project.complexity_score == 14
    assert project.completed_at is not None
    assert project.owner == "ana"


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"project_idea": "short"}, {"architecture": ["api"]}, {"architecture": "api"}],
    ids=["name", "idea", "list", "text"],
)
async def test_what_no_schema_would_take_is_refused_before_it_is_sent(
    session: Session, project_values: Values, wrong: dict[str, Any]
) -> None:
    projects = ProjectRepository(session)

    with pytest.raises(ValueRefused):
        await projects.create(project_values(**wrong))
    with pytest.raises(BulkRefused, match="row 1"):
        await projects.bulk_create([project_values(), project_values(**wrong)])

    assert await projects.count() == 0  # the transaction goes on


async def test_get_by_id_loads_what_a_read_schema_shows(
    projects: ProjectRepository, whole: Project, database: Database
) -> None:
    project = await projects.create(whole)
    projects.session.expunge_all()

    found = await projects.get_by_id(project.id)

    assert found is not None
    assert [len(found.conversations), len(found.documents), len(found.repositories)] == [1, 1, 1]
    with pytest.raises(NotLoaded, match=r"Conversation\.entries is not loaded"):
        _ = found.conversations[0].messages
    assert await projects.get_by_id(99) is None


async def test_a_list_loads_nothing_beside_the_projects(
    projects: ProjectRepository, whole: Project
) -> None:
    await projects.create(whole)
    projects.session.expunge_all()

    (listed,) = await projects.list()
    streamed = [project async for project in projects.stream()]

    assert streamed == [listed]
    with pytest.raises(NotLoaded, match=r"load=\[Project\.documents\]"):
        _ = listed.documents


async def test_a_bulk_loads_nothing_beside_the_projects(
    projects: ProjectRepository, project_values: Values
) -> None:
    created = await projects.bulk_create([project_values(name="a"), project_values(name="b")])

    assert [project.name for project in created] == ["a", "b"]
    with pytest.raises(NotLoaded):
        _ = created[0].conversations


async def test_get_with_conversations_has_their_messages(
    projects: ProjectRepository, whole: Project
) -> None:
    project = await projects.create(whole)
    projects.session.expunge_all()

    found = await projects.get_with_conversations(project.id)

    assert found is not None
    (conversation,) = found.conversations
    assert [message["content"] for message in conversation.messages] == ["two words"]
    assert [each["phase"] for each in conversation.phase_history] == ["project_idea"]


async def test_get_with_all_has_everything(projects: ProjectRepository, whole: Project) -> None:
    project = await projects.create(whole)
    await projects.add_member(project.id, "eva")
    projects.session.expunge_all()

    found = await projects.get_with_all(project.id)

    assert found is not None
    assert [member.member for member in found.members] == ["eva"]
    assert found.conversations[0].messages[0]["role"] == "user"
    assert found.documents[0].name == "README"
    (repository,) = found.repositories
    assert (len(repository.builds), repository.deployments) == (1, [])
    assert repository.contributors[0].name == "Ana"


async def test_projects_are_listed_by_status_the_newest_first(
    projects: ProjectRepository, project_values: Values
) -> None:
    for name, status in (("a", "active"), ("b", "draft"), ("c", "active")):
        await projects.create(project_values(name=name, status=status))

    assert [each.name for each in await projects.list_by_status("active")] == ["c", "a"]
    assert [each.name for each in await projects.get_by_status("active", 1, 1)] == ["a"]
    with pytest.raises(ValueRefused, match="known are draft, active, completed, archived"):
        await projects.list_by_status("done")


async def test_projects_are_found_by_a_part_of_their_name(
    projects: ProjectRepository, project_values: Values
) -> None:
    await projects.add_many([project_values(name=name) for name in ("Torre", "torreón", "100%")])

    assert [each.name for each in await projects.search_by_name("TORRE")] == ["Torre", "torreón"]
    assert [each.name for each in await projects.search_by_name("%")] == ["100%"]


async def test_a_deleted_project_comes_back_with_all_it_had(
    projects: ProjectRepository, whole: Project
) -> None:
    project = await projects.create(whole)
    await projects.delete(project.id)
    assert await projects.get_by_id(project.id) is None

    await projects.restore(project.id)

    found = await projects.get_with_all(project.id)
    assert found is not None
    assert len(found.conversations[0].messages) == 1
    assert len(found.repositories[0].builds) == 1


@pytest.mark.slow
async def test_a_purged_project_leaves_nothing(database: Database, whole: Project) -> None:
    async with database.transaction() as session:
        projects = ProjectRepository(session)
        project = await projects.create(whole)
    async with database.transaction() as session:
        assert await ProjectRepository(session).purge(project.id)

    assert await ProjectRepository(database).with_deleted().count() == 0


# ---- members and viewers -----------------------------------------------------------------


@pytest.mark.slow
async def test_members_come_change_their_role_and_go(
    projects: ProjectRepository, project_values: Values
) -> None:
    project = await projects.create(project_values())

    await projects.add_member(project.id, "eva")
    await projects.add_member(project.id, "eva", "editor")
    await projects.add_member(project.id, "leo")

    members = await projects.members(project.id)
    assert [(each.member, each.role) for each in members] == [("eva", "editor"), ("leo", "member")]
    assert await projects.remove_member(project.id, "eva")
    assert not await projects.remove_member(project.id, "eva")
    assert [each.member for each in await projects.members(project.id)] == ["leo"]


async def test_a_viewer_sees_what_they_own_or_are_a_member_of(
    session: Session, project_values: Values
) -> None:
    everything = ProjectRepository(session)
    own = await everything.create(project_values(owner="ana"))
    shared = await everything.create(project_values(owner="leo"))
    foreign = await everything.create(project_values(owner="leo"))
    await everything.add_member(shared.id, "ana")
    ana = ProjectRepository(session, viewer="ana")

    assert {each.id for each in await ana.list()} == {own.id, shared.id}
    assert await ana.count() == 2
    assert await ana.get_by_id(foreign.id) is None
    with pytest.raises(NotFound):
        await ana.update(foreign.id, {"name": "mine"})
    assert not await ana.delete(foreign.id)
    assert await ana.query().count() == 2
    with pytest.raises(NotFound):
        await ana.add_member(foreign.id, "ana")


async def test_a_viewer_owns_what_they_create(session: Session, project_values: Values) -> None:
    ana = ProjectRepository(session, viewer="ana")

    project = await ana.create(project_values())
    (row,) = await ana.bulk_create([project_values()])

    assert (project.owner, row.owner) == ("ana", "ana")
    assert (await ana.update(project.id, {"status": "active"})).status == "active"
    with pytest.raises(NotFound):
        await ana.bulk_create([project_values(owner="leo")])


async def test_a_viewer_on_a_database_owns_what_they_create(
    database: Database, project_values: Values
) -> None:
    ana = ProjectRepository(database, viewer="ana")

    project = await ana.create(project_values())

    assert project.owner == "ana"
    with pytest.raises(QueryRefused, match="not for a viewer"):
        await ana.load([project_values()])
    assert (await ProjectRepository(database).load([project_values()])).created == 1


async def test_a_viewer_reads_the_past_of_what_they_see(
    database: Database, project_values: Values
) -> None:
    everything = ProjectRepository(database)
    own = await everything.create(project_values(owner="ana"))
    foreign = await everything.create(project_values(owner="leo"))
    ana = ProjectRepository(database, viewer="ana")
    await ana.delete(own.id)

    history = await ana.history(own.id)

    assert [version.kind for version in history] == ["create", "delete"]
    assert await ana.as_of(own.id, history[0].time) is not None
    with pytest.raises(NotFound):
        await ana.history(foreign.id)
    with pytest.raises(NotFound):
        await ana.as_of(foreign.id, history[0].time)
