"""Rows that go with what belongs to them, and rows that come back."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import true
from tests.repositories.models import (
    Book,
    Country,
    Cover,
    Document,
    Employee,
    Invoice,
    Note,
    Office,
    Page,
    Project,
    Seat,
    Shelf,
)

from andamios_orm.exceptions import ForeignKeyViolation, NotFound, QueryRefused
from andamios_orm.repositories import BaseRepository
from andamios_orm.repositories.cascade import Cascade

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession
    from tests.repositories.conftest import Statements

    from andamios_orm import Session

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]


class Projects(BaseRepository[Project]):
    """Projects in one session."""

    model = Project


@pytest.fixture
async def projects(session: Session) -> Projects:
    """Return a repository with one project that has two documents, a page and a note."""
    projects = Projects(session)
    documents = [Document(title="one", pages=[Page()]), Document(title="two")]
    await projects.create(Project(name="a", documents=documents, notes=[Note()]))
    session.expunge_all()
    return projects


async def rows(session: AsyncSession, *, with_deleted: bool = False) -> list[int]:
    """Return how many projects, documents, pages and notes there are."""
    return [
        await BaseRepository(session, model).count(with_deleted=with_deleted)
        for model in (Project, Document, Page, Note)
    ]


async def test_delete_is_soft_and_takes_children_along(projects: Projects) -> None:
    assert await projects.delete(1)
    await projects.session.flush()

    assert await rows(projects.session) == [0, 0, 0, 0]
    assert await rows(projects.session, with_deleted=True) == [1, 2, 1, 0]


async def test_delete_of_no_row_is_false(projects: Projects) -> None:
    assert not await projects.delete(9)


async def test_a_deletion_counts_the_version(projects: Projects) -> None:
    await projects.delete(1)

    assert (await projects.get(1, with_deleted=True)).version == 2


async def test_a_child_alone_is_deleted_alone(projects: Projects, statements: Statements) -> None:
    documents = BaseRepository(projects.session, Document)

    with statements.counted(3):
        await documents.delete(2)

    assert await rows(projects.session) == [1, 1, 1, 1]


async def test_restore_brings_back_what_the_same_deletion_took(projects: Projects) -> None:
    documents = BaseRepository(projects.session, Document)
    await documents.delete(2)
    await projects.delete(1)

    project = await projects.restore(1)

    assert not project.is_deleted
    assert await rows(projects.session) == [1, 1, 1, 0]
    assert await documents.get_by_id(2) is None


async def test_restore_of_what_is_there_changes_nothing(projects: Projects) -> None:
    assert (await projects.restore(1)).version == 1


async def test_restore_of_no_row_says_so(projects: Projects) -> None:
    with pytest.raises(NotFound):
        await projects.restore(9)


async def test_restore_needs_soft_deletion(session: Session) -> None:
    with pytest.raises(QueryRefused, match="Note is not deleted softly"):
        await BaseRepository(session, Note).restore(1)


async def test_purge_removes_for_good(projects: Projects) -> None:
    await projects.delete(1)

    assert await projects.purge(1)
    assert not await projects.purge(1)

    assert await rows(projects.session, with_deleted=True) == [0, 0, 0, 0]


async def test_a_model_without_the_mixin_is_deleted_for_good(session: Session) -> None:
    countries = BaseRepository(session, Country)
    await countries.create({"code": "es", "name": "España"})

    assert await countries.delete("es")

    assert await countries.count(with_deleted=True) == 0


@pytest.mark.parametrize("method", ["delete", "purge"])
async def test_a_relation_that_does_not_cascade_keeps_its_parent(
    projects: Projects, method: str
) -> None:
    invoices = BaseRepository(projects.session, Invoice)
    invoice = await invoices.create({"project_id": 1})

    with pytest.raises(ForeignKeyViolation) as caught:
        await getattr(projects, method)(1)

    assert "Project 1 still has Invoice 1 in Project.invoices" in str(caught.value)
    assert (caught.value.table, caught.value.columns) == ("invoices", ("project_id",))
    assert await rows(projects.session) == [1, 2, 1, 1]
    await invoices.delete(invoice.id)
    assert await projects.delete(1)


async def test_a_deleted_child_still_keeps_its_parent_from_being_purged(
    projects: Projects,
) -> None:
    invoices = BaseRepository(projects.session, Invoice)
    await invoices.create({"project_id": 1})
    await invoices.delete(1)

    with pytest.raises(ForeignKeyViolation):
        await projects.purge(1)


async def test_rows_that_go_together_do_not_keep_each_other(session: Session) -> None:
    employees = BaseRepository(session, Employee)
    await employees.create(Employee(name="boss", reports=[Employee(name="a"), Employee(name="b")]))
    session.expunge_all()

    with pytest.raises(ForeignKeyViolation):
        await employees.delete(1)
    assert await employees.delete_where(true()) == 3


async def test_delete_many_and_delete_where_count_what_they_deleted(projects: Projects) -> None:
    await projects.add_many([{"name": "b"}, {"name": "c"}, {"name": "d"}])

    assert await projects.delete_many([2, 9]) == 1
    assert await projects.delete_many([]) == 0
    assert await projects.delete_where(name__in=["b", "c"]) == 1
    assert await projects.delete_where(Project.name == "x") == 0
    assert [project.name for project in await projects.list()] == ["a", "d"]


async def test_delete_where_wants_a_condition(projects: Projects) -> None:
    with pytest.raises(QueryRefused, match="would delete every Project"):
        await projects.delete_where()


async def test_a_key_that_is_set_null_lets_go_of_its_rows(session: Session) -> None:
    shelves = BaseRepository(session, Shelf)
    shelf = await shelves.create(Shelf(books=[Book(cover=Cover()), Book()]))
    session.expunge_all()
    books = BaseRepository(session, Book)

    await shelves.delete(shelf.id)
    kept = [book.shelf_id for book in await books.list()]
    session.expunge_all()
    await shelves.purge(shelf.id)

    assert kept == [1, 1]
    assert [book.shelf_id for book in await books.list()] == [None, None]


async def test_one_to_one_goes_along(session: Session) -> None:
    books = BaseRepository(session, Book)
    await books.add_many([Book(cover=Cover()), Book()])
    session.expunge_all()

    assert await books.delete_many([1, 2]) == 2

    assert await BaseRepository(session, Cover).count() == 0


async def test_a_composite_key_takes_its_rows_along(session: Session) -> None:
    offices, seats = BaseRepository(session, Office), BaseRepository(session, Seat)
    await offices.add_many([{"team": 1, "person": "ana"}, {"team": 2, "person": "eva"}])
    await seats.create({"number": 1, "team": 1, "person": "ana"})
    await seats.create({"number": 2, "team": 2, "person": "eva"})
    session.expunge_all()

    await offices.delete((1, "ana"))

    assert [seat.number for seat in await seats.list()] == [2]


async def test_what_goes_twice_goes_once(projects: Projects) -> None:
    documents = BaseRepository(projects.session, Document)
    with_both = [(await projects.get(1)), (await documents.get(1))]

    cascade = Cascade(projects.session.sync_session)
    await projects.session.run_sync(
        lambda _: cascade.delete([*with_both, with_both[0]], dt.datetime.now(dt.UTC))
    )
    await projects.session.flush()

    assert await rows(projects.session) == [0, 0, 0, 0]
