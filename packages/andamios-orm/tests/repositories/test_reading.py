"""The questions that every repository answers."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.orm import joinedload
from tests.repositories.models import Country, Document, Membership, Page, Project, Token

from andamios_orm.exceptions import (
    MoreThanOne,
    NotFound,
    NotLoaded,
    QueryRefused,
    UnknownField,
    ValueRefused,
)
from andamios_orm.queries.filters import Compare
from andamios_orm.repositories import BaseRepository, ReadOnlyRepository

if TYPE_CHECKING:
    from tests.repositories.conftest import Statements

    from andamios_orm import Database, Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Projects(BaseRepository[Project]):
    """Projects in one session."""

    model = Project


@pytest.fixture
async def projects(session: Session) -> Projects:
    """Return a repository with the projects a, b, c and d, of which d is deleted."""
    projects = Projects(session)
    rows = [
        Project(name="a", stars=3, documents=[Document(title="one", pages=[Page()])]),
        Project(name="b", stars=2, status="active", documents=[Document(title="two")]),
        Project(name="c", stars=1, status="active"),
        Project(name="d", stars=0),
    ]
    await projects.add_many(rows)
    await projects.delete(rows[3].id)
    session.expunge_all()
    return projects


def names(rows: list[Project]) -> str:
    return "".join(row.name for row in rows)


# ---- one row -------------------------------------------------------------------------


async def test_get_is_one_statement(projects: Projects, statements: Statements) -> None:
    with statements.counted(1):
        project = await projects.get(1)

    assert project.name == "a"


async def test_get_names_the_missing_row(projects: Projects) -> None:
    with pytest.raises(NotFound, match="Project 9 does not exist") as caught:
        await projects.get(9)

    assert (caught.value.model, caught.value.key) == ("Project", 9)


async def test_get_by_id_of_no_row_is_none(projects: Projects) -> None:
    assert await projects.get_by_id(9) is None


async def test_get_one_finds_by_fields_conditions_and_key(projects: Projects) -> None:
    assert (await projects.get_one(name="b")).stars == 2
    assert (await projects.get_one(Project.stars > 2)).name == "a"
    assert (await projects.get_one(Compare("stars", "lt", 2))).name == "c"
    assert (await projects.get_one(2)).name == "b"


async def test_get_one_names_what_was_asked(projects: Projects) -> None:
    with pytest.raises(NotFound, match="Project with name='x', a condition does not exist"):
        await projects.get_one(Project.stars > 2, name="x")


async def test_get_one_of_several_is_refused(projects: Projects) -> None:
    with pytest.raises(MoreThanOne, match="several Project with status='active' exist"):
        await projects.get_one(status="active")


async def test_get_one_of_anything_is_refused(projects: Projects) -> None:
    with pytest.raises(ValueRefused, match="say which row"):
        await projects.get_one()


async def test_get_one_or_none(projects: Projects) -> None:
    assert await projects.get_one_or_none(name="x") is None
    assert await projects.get_one_or_none(1) is not None


async def test_first_is_by_order_and_then_by_key(projects: Projects) -> None:
    first = await projects.first()
    best = await projects.first(order_by="stars", status="active")
    none = await projects.first(name="x")

    assert (first is not None and first.name, best is not None and best.name) == ("a", "c")
    assert none is None


@pytest.mark.parametrize(
    "key", [None, "1", True, 2**63, 1.5, (1, 2), {"id": 1, "name": "a"}, {}, {"id": None}]
)
@pytest.mark.sampled(3)
async def test_a_key_that_cannot_be_one_is_refused(
    projects: Projects, statements: Statements, key: Any
) -> None:
    with statements.counted(0), pytest.raises((ValueRefused, UnknownField)):
        await projects.get_by_id(key)


async def test_keys_of_all_kinds(session: Session) -> None:
    token = await BaseRepository(session, Token).create({"label": "x"})
    await BaseRepository(session, Country).create({"code": "es", "name": "España"})
    await BaseRepository(session, Membership).create({"team": 1, "person": "ana"})

    assert isinstance(token.id, uuid.UUID)
    assert await BaseRepository(session, Token).get(token.id) is token
    assert (await BaseRepository(session, Country).get("es")).name == "España"
    assert (await BaseRepository(session, Membership).get((1, "ana"))).role == "member"
    with pytest.raises(ValueRefused, match=r"the key of Membership is \(team, person\)"):
        await BaseRepository(session, Membership).get(1)
    with pytest.raises(ValueRefused, match="lacks"):
        await BaseRepository(session, Membership).get({"team": 1})


async def test_get_keeps_what_is_not_flushed_where_nothing_flushes(database: Database) -> None:
    async with database.session() as session:
        session.sync_session.autoflush = False
        projects = Projects(session)
        project = await projects.create({"name": "a"})
        project.name = "b"

        found = await projects.get(project.id)

        assert found.name == "b"
        await session.rollback()


# ---- many rows -----------------------------------------------------------------------


async def test_list_is_one_statement_by_key(projects: Projects, statements: Statements) -> None:
    with statements.counted(1):
        rows = await projects.list()

    assert names(rows) == "abc"


async def test_list_takes_limit_and_offset_first_or_by_name(projects: Projects) -> None:
    assert names(await projects.list(2)) == "ab"
    assert names(await projects.list(1, 1)) == "b"
    assert names(await projects.list(limit=1, offset=2)) == "c"
    assert names(await projects.list(1, 1, Project.stars < 3)) == "c"
    assert names(await projects.list(Project.stars < 3)) == "bc"
    assert names(await projects.list(limit=0)) == ""


async def test_list_has_100_rows_unless_told(session: Session) -> None:
    tokens = BaseRepository(session, Token)
    await tokens.add_many({"label": str(number)} for number in range(120))

    assert len(await tokens.list()) == 100
    assert len(await tokens.list(limit=None)) == 120
    assert len(await tokens.list(None, 110)) == 10


@pytest.mark.parametrize(
    "window", [{"limit": -1}, {"offset": -1}, {"limit": "1"}, {"offset": 2**63}]
)
@pytest.mark.sampled(3)
async def test_a_window_is_made_of_numbers(projects: Projects, window: Any) -> None:
    with pytest.raises(ValueRefused, match="a number from 0 up"):
        await projects.list(**window)


async def test_list_filters_by_name(projects: Projects) -> None:
    assert names(await projects.list(status="active", stars__gt=1)) == "b"


async def test_list_refuses_unknown_fields_and_text(
    projects: Projects, statements: Statements
) -> None:
    with statements.counted(0):
        with pytest.raises(UnknownField) as caught:
            await projects.list(titel="a")
        with pytest.raises(QueryRefused):
            await projects.list("stars > 1")  # type: ignore[call-overload]  # this is the point

    assert "name" in caught.value.known


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("-stars", "abc"),
        ("stars", "cba"),
        (["status", "-stars"], "bca"),
        (Project.stars, "cba"),
        (Project.stars.desc(), "abc"),
        ([Project.status.desc(), "name"], "abc"),
    ],
)
@pytest.mark.sampled(3)
async def test_order(projects: Projects, order: Any, expected: str) -> None:
    assert names(await projects.list(order_by=order)) == expected


async def test_list_and_count_is_two_statements(projects: Projects, statements: Statements) -> None:
    with statements.counted(2):
        rows, total = await projects.list_and_count(1, 0, status="active")

    assert (names(rows), total) == ("b", 2)


async def test_count_and_exists_are_one_statement(
    projects: Projects, statements: Statements
) -> None:
    with statements.counted(4):
        assert await projects.count() == 3
        assert await projects.count(Project.stars > 1, status="active") == 1
        assert await projects.exists(name="a")
        assert not await projects.exists(name="x")


async def test_stream_is_one_statement(projects: Projects, statements: Statements) -> None:
    with statements.counted(1):
        found = [row.name async for row in projects.stream(batch_size=1, order_by="-name")]

    assert found == ["c", "b", "a"]


async def test_a_stream_can_be_left(database: Database) -> None:
    projects = BaseRepository(database, Project)
    await projects.add_many([{"name": "a"}, {"name": "b"}])

    async with contextlib.aclosing(projects.stream(batch_size=1)) as rows:
        assert (await anext(rows)).name in {"a", "b"}

    assert (await database.health()).pool.in_use == 0


async def test_execution_options_reach_the_statement(projects: Projects) -> None:
    seen: list[object] = []
    from sqlalchemy import event

    def note(state: Any) -> None:
        seen.append(state.execution_options.get("mark"))

    event.listen(projects.session.sync_session, "do_orm_execute", note)
    options = {"mark": 1}

    await projects.get(1, execution_options=options)
    await projects.get_by_id(1, execution_options=options)
    await projects.get_one(1, execution_options=options)
    await projects.get_one_or_none(1, execution_options=options)
    await projects.first(execution_options=options)
    await projects.list(execution_options=options)
    await projects.list_and_count(execution_options=options)
    await projects.count(execution_options=options)
    await projects.exists(execution_options=options)
    assert [row async for row in projects.stream(execution_options=options)]

    assert seen == [1] * 11


# ---- relations -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "load", [Project.documents, "documents", [Project.documents], ["documents"]]
)
@pytest.mark.sampled(3)
async def test_load_is_one_more_statement(
    projects: Projects, statements: Statements, load: Any
) -> None:
    with statements.counted(2):
        rows = await projects.list(load=load)

    assert [[document.title for document in row.documents] for row in rows] == [
        ["one"],
        ["two"],
        [],
    ]
    with pytest.raises(NotLoaded):
        _ = rows[0].notes


async def test_load_goes_deeper_by_name(projects: Projects, statements: Statements) -> None:
    with statements.counted(3):
        project = await projects.get(1, load="documents.pages")

    assert len(project.documents[0].pages) == 1


async def test_load_takes_a_loader_option(projects: Projects, statements: Statements) -> None:
    documents = BaseRepository(projects.session, Document)

    with statements.counted(1):
        document = await documents.get(1, load=joinedload(Document.project))

    assert document.project.name == "a"


async def test_load_leaves_deleted_children_out(projects: Projects) -> None:
    await BaseRepository(projects.session, Document).delete(1)
    projects.session.expunge_all()

    project = await projects.get(1, load="documents")
    projects.session.expunge_all()
    whole = await projects.get(1, load="documents", with_deleted=True)

    assert project.documents == []
    assert len(whole.documents) == 1


@pytest.mark.parametrize(
    "load", ["titel", "documents.titel", [7], [Document.pages], [Project.name]]
)
@pytest.mark.sampled(3)
async def test_what_is_no_relation_cannot_be_loaded(
    projects: Projects, statements: Statements, load: Any
) -> None:
    with statements.counted(0), pytest.raises(QueryRefused):
        await projects.list(load=load)


async def test_a_repository_may_say_what_a_key_loads(
    projects: Projects, statements: Statements
) -> None:
    class WithDocuments(Projects):
        loaded_by_key = (Project.documents,)

    whole = WithDocuments(projects.session)

    with statements.counted(2):
        assert len((await whole.get(1)).documents) == 1
    projects.session.expunge_all()
    with statements.counted(1):
        assert (await whole.get(1, load=())).name == "a"


# ---- what is in sight ----------------------------------------------------------------


async def test_with_deleted_shows_what_was_deleted(projects: Projects) -> None:
    for shown in (
        projects.with_deleted(),
        BaseRepository(projects.session, Project).with_deleted(),
    ):
        assert names(await shown.list()) == "abcd"
        assert await shown.count() == 4
        assert (await shown.get(4)).is_deleted
    assert names(await projects.list(with_deleted=True)) == "abcd"
    assert await projects.count(with_deleted=True) == 4
    assert await projects.exists(name="d", with_deleted=True)
    assert await projects.get_by_id(4, with_deleted=True) is not None
    assert [row.name async for row in projects.stream(with_deleted=True, stars=0)] == ["d"]


async def test_what_was_deleted_is_out_of_sight(projects: Projects) -> None:
    assert await projects.get_by_id(4) is None
    assert await projects.get_one_or_none(name="d") is None
    assert await projects.first(name="d") is None
    assert not await projects.exists(name="d")
    with pytest.raises(NotFound):
        await projects.update(4, {"name": "e"})
    assert not await projects.delete(4)


async def test_a_scope_holds_for_every_question_and_change(projects: Projects) -> None:
    class Active(Projects):
        def scope(self) -> list[Any]:
            return [Project.status == "active"]

    active = Active(projects.session)

    assert names(await active.list()) == "bc"
    assert await active.count() == 2
    assert await active.get_by_id(1) is None
    with pytest.raises(NotFound):
        await active.update(1, {"name": "x"})
    assert not await active.delete(1)
    assert not await active.purge(1)
    assert await active.delete_where(Project.stars > 0) == 2


# ---- less than everything ------------------------------------------------------------


async def test_a_read_only_repository_reads(projects: Projects) -> None:
    reader = ReadOnlyRepository(projects.session, Project)

    assert names(await reader.list()) == "abc"
    assert not {"create", "update", "delete", "add", "purge", "upsert"} & set(dir(reader))
