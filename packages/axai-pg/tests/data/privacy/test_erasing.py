"""A person is erased: what goes, what stays, and what is refused."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, func, select, update

from andamios_orm.exceptions import NotFound, ValueRefused
from axai_pg.data.caching import CacheManager
from axai_pg.data.config.database import DatabaseManager
from axai_pg.data.models import (
    Base,
    Collection,
    Document,
    DocumentPermission,
    DocumentVersion,
    GraphNode,
    Organization,
    PersonalDataRequest,
    RequestStatus,
    User,
    UserRole,
)
from axai_pg.data.privacy import erase_person
from axai_pg.exceptions import LastAdministrator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.data.privacy.conftest import People

    from andamios_orm import Session
    from axai_pg.data.config.database import PostgresConnectionConfig

pytestmark = [pytest.mark.integration, pytest.mark.db]


async def rows(session: Session, model: type[Base], *conditions: Any) -> int:
    return int(
        await session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0
    )


async def test_nothing_of_a_user_stays_but_that_there_was_one(
    session: Session, people: People
) -> None:
    await erase_person(session, people.ana, documents="reassign", reassign_to=people.bo)

    user = await session.get_one(User, people.ana)
    assert user.username.startswith("erased-")
    assert user.email == f"{user.username}@erased.invalid"
    assert user.hashed_password is None
    assert {user.is_active, user.is_admin, user.is_email_verified} == {False}
    assert user.erased_at is not None
    assert await rows(session, UserRole) == 0
    assert await rows(session, DocumentPermission, DocumentPermission.user_id == people.ana) == 0
    request = (await session.scalars(select(PersonalDataRequest))).one()
    assert (request.status, request.note) == (RequestStatus.COMPLETED, None)
    assert request.completed_at is not None


@pytest.mark.slow
async def test_documents_are_handed_over_as_they_are(session: Session, people: People) -> None:
    report = await erase_person(session, people.ana, documents="reassign", reassign_to=people.bo)

    document = await session.get_one(Document, people.anas)
    assert (document.owner_id, document.title) == (people.bo, "Notes of ana")
    assert document.changed_by_id is None
    assert await rows(session, DocumentVersion, DocumentVersion.created_by_id == people.ana) == 0
    assert await rows(session, DocumentPermission, DocumentPermission.granted_by_id.is_(None)) == 1
    assert await rows(session, Collection, Collection.owner_id == people.bo) == 2
    assert await rows(session, GraphNode) == 2
    assert not report.is_dry_run
    assert not report.was_erased
    assert report.user_id == people.ana


@pytest.mark.slow
async def test_documents_go_with_what_belongs_to_them(session: Session, people: People) -> None:
    report = await erase_person(session, people.ana, documents="erase")

    assert await session.get(Document, people.anas) is None
    assert (await session.get_one(Document, people.bos)).content == "changed"
    assert [each.name for each in await session.scalars(select(GraphNode))] == ["oak"]
    kept = (await session.scalars(select(Collection))).one()
    assert (kept.name, kept.parent_id) == ("Of bo", None)
    assert {name: report.counts[name] for name in ("documents", "collections", "summaries")} == {
        "documents": 2,  # one of them named who had changed it
        "collections": 2,
        "summaries": 1,
    }
    assert report.counts["graph_relationships"] == 1
    assert report.counts["document_collections"] == 1


@pytest.mark.slow
async def test_a_row_that_is_changed_twice_counts_once(session: Session, people: People) -> None:
    (await session.get_one(Document, people.anas)).changed_by_id = people.ana

    report = await erase_person(session, people.ana, documents="reassign", reassign_to=people.bo)

    assert {name: report.counts[name] for name in ("documents", "personal_data_requests")} == {
        "documents": 2,  # that which ana owned and has changed, and that of bo
        "personal_data_requests": 1,  # it was completed, and had a note
    }


@pytest.mark.slow
async def test_a_dry_run_counts_what_would_be_done(session: Session, people: People) -> None:
    planned = await erase_person(session, people.ana, documents="erase", dry_run=True)

    assert planned.is_dry_run
    assert (await session.get_one(User, people.ana)).erased_at is None
    assert await session.get(Document, people.anas) is not None
    done = await erase_person(session, people.ana, documents="erase")
    assert done.counts == planned.counts


@pytest.mark.slow
async def test_a_second_time_nothing_is_left_to_do(session: Session, people: People) -> None:
    await erase_person(session, people.ana, documents="erase")
    emptied = (await session.get_one(User, people.ana)).username

    again = await erase_person(session, people.ana, documents="erase")

    assert (again.counts, again.was_erased) == ({}, True)
    assert (await session.get_one(User, people.ana)).username == emptied


async def test_instances_that_may_have_changed_are_read_anew(
    session: Session, people: People
) -> None:
    document, bo = (
        await session.get_one(Document, people.anas),
        await session.get_one(User, people.bo),
    )

    await erase_person(session, people.ana, documents="reassign", reassign_to=people.bo)

    assert bo.username == "bo"
    await session.refresh(document)
    assert document.owner_id == people.bo


@pytest.mark.slow
async def test_a_person_may_erase_themselves(session: Session, people: People) -> None:
    session.sync_session.scope = type(session.sync_session.scope)(people.org_id, people.ana)  # type: ignore[attr-defined]  # it is one of ours

    await erase_person(session, people.ana, documents="erase")

    acting = await session.scalar(select(func.current_setting("axai.user_id")))
    assert acting == ""


@pytest.mark.slow
async def test_the_last_administrator_is_refused(session: Session, people: People) -> None:
    await session.execute(update(User).where(User.id == people.bo).values(is_active=False))

    with pytest.raises(LastAdministrator, match="last active administrator") as caught:
        await erase_person(session, people.ana, documents="erase")

    assert caught.value.user_id == people.ana


@pytest.mark.slow
async def test_an_administrator_who_is_not_active_is_not_the_last(
    session: Session, people: People
) -> None:
    await session.execute(update(User).values(is_active=False))

    report = await erase_person(session, people.ana, documents="erase")

    assert report.counts["users"] == 1


@pytest.mark.slow
async def test_whoever_is_no_administrator_may_go(session: Session, people: People) -> None:
    await session.execute(update(User).values(is_admin=False))

    report = await erase_person(session, people.ana, documents="erase")

    assert report.counts["users"] == 1


@pytest.mark.parametrize("whose", ["theirs", "nobody's"])
async def test_a_person_of_others_is_as_unknown_as_nobody(
    session: Session, people: People, theirs: Any, whose: str
) -> None:
    key = theirs.keys["users"] if whose == "theirs" else uuid.uuid4()

    with pytest.raises(NotFound) as caught:
        await erase_person(session, key, documents="erase")

    assert str(caught.value) == f"User {key} does not exist"


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"documents": "keep"}, ValueRefused, "the ways are reassign and erase"),
        ({"documents": "reassign"}, ValueRefused, "needs somebody"),
        ({"documents": "erase", "reassign_to": "bo"}, ValueRefused, "nobody"),
        ({"documents": "reassign", "reassign_to": "ana"}, ValueRefused, "the person to be erased"),
        ({"documents": "reassign", "reassign_to": "nobody"}, NotFound, "does not exist"),
        ({"documents": "reassign", "reassign_to": "theirs"}, NotFound, "does not exist"),
        ({"documents": "reassign", "reassign_to": "x"}, ValueRefused, "no UUID"),
    ],
)
async def test_what_becomes_of_documents_has_to_be_said(
    session: Session,
    people: People,
    theirs: Any,
    given: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    known = {
        "ana": people.ana,
        "bo": people.bo,
        "nobody": uuid.uuid4(),
        "theirs": theirs.keys["users"],
    }
    named = given.get("reassign_to")

    with pytest.raises(error, match=says):
        await erase_person(
            session, people.ana, **{**given, "reassign_to": known.get(str(named), named)}
        )


async def test_documents_are_not_handed_to_whoever_is_not_active(
    session: Session, people: People
) -> None:
    cy = User(username="cy", email="cy@example.org", is_active=False)
    session.add(cy)
    await session.flush()

    with pytest.raises(ValueRefused, match="not active"):
        await erase_person(session, people.ana, documents="reassign", reassign_to=cy.id)


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["organisation", "operator"])
async def test_kept_answers_of_the_organisation_are_forgotten(
    config: PostgresConnectionConfig, settle: Callable[..., Awaitable[People]], scope: str
) -> None:
    manager = DatabaseManager(config)
    manager.isolation.warned = True
    org_id = uuid.uuid4()
    async with CacheManager(manager) as cache:
        async with manager.async_session_scope(org_id) as session:
            people = await settle(session, org_id)
        async with manager.async_session_scope(org_id) as session:
            await cache.get(session, "names")
            assert await cache.set(session, "names", ["ana"], reads=(User,))
        opened = (
            manager.async_system_scope("a test")
            if scope == "operator"
            else manager.async_session_scope(org_id)
        )

        async with opened as session:
            report = await erase_person(session, people.ana, documents="erase")

        assert cache.statistics().entries == 0
        assert report.counts["users"] == 1
        async with manager.async_session_scope(org_id) as session:
            await session.execute(delete(Organization))
    manager.dispose()


@pytest.mark.slow
async def test_a_dry_run_leaves_nothing_in_the_feed(session: Session, people: People) -> None:
    await session.commit()
    changes = Base.metadata.tables["andamios_changes"]
    before = (await session.execute(select(changes))).all()

    await erase_person(session, people.ana, documents="erase", dry_run=True)
    await session.commit()

    assert (await session.execute(select(changes))).all() == before
