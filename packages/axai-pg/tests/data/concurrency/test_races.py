"""Two who want the same at once: one gets it, the other is told why not."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from andamios_orm.exceptions import ConcurrencyConflict, DuplicateKey, WriteConflict
from axai_pg.data.models import DocumentPermission, User
from axai_pg.data.privacy import erase_person, erasing, persons
from axai_pg.data.repositories import (
    BaseRepository,
    CollectionRepository,
    DocumentRepository,
    TopicRepository,
)
from axai_pg.exceptions import LastAdministrator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.data.concurrency.conftest import Firm

    from andamios_orm import Session
    from axai_pg.data.config.database import DatabaseManager
    from axai_pg.data.privacy.persons import Person

    Together = Callable[[], Awaitable[object]]
    Race = Callable[..., Awaitable[list[Any]]]

pytestmark = [pytest.mark.concurrency, pytest.mark.db]


def lost(outcomes: list[Any]) -> list[type[BaseException]]:
    """Return the kinds of the errors among what came out."""
    return [type(each) for each in outcomes if isinstance(each, BaseException)]


async def test_a_unique_name_is_given_once(race: Race) -> None:
    async def create(session: Session, together: Together) -> None:
        topics = TopicRepository(session)
        assert await topics.list(name="trees") == []
        await together()
        await topics.create({"name": "trees"})

    assert lost(await race(create, create)) == [DuplicateKey]


async def test_who_would_make_what_is_there_by_then_is_to_do_it_again(
    race: Race, manager: DatabaseManager, firm: Firm
) -> None:
    async def find(session: Session, together: Together) -> uuid.UUID:
        topics = TopicRepository(session)
        assert await topics.list(name="trees") == []
        await together()
        found, _ = await topics.get_or_create(name="trees")
        return found.id

    outcomes = await race(find, find)

    assert lost(outcomes) == [WriteConflict]
    async with manager.async_session_scope(firm.id) as session:
        [topic] = await TopicRepository(session).list()
    assert topic.id in outcomes


@pytest.mark.slow
async def test_of_two_who_change_a_version_one_is_told_of_the_other(
    race: Race, manager: DatabaseManager, firm: Firm
) -> None:
    key = firm.documents[0]

    def change(title: str) -> Callable[[Session, Together], Awaitable[str]]:
        async def changed(session: Session, together: Together) -> str:
            documents = DocumentRepository(session)
            seen = (await documents.get(key)).version
            await together()
            await documents.update_with_version(key, {"title": title}, title, version=seen)
            return title

        return changed

    outcomes = await race(change("first"), change("second"))

    [kind] = lost(outcomes)
    assert issubclass(kind, ConcurrencyConflict)
    async with manager.async_session_scope(firm.id) as session:
        now, before = await DocumentRepository(session).versions(key)
    assert (now.version, before.version) == (2, 1)
    assert now.title in outcomes
    assert now.change_description == now.title


@pytest.mark.slow
async def test_of_two_administrators_who_are_erased_at_once_one_waits(
    race: Race, manager: DatabaseManager, firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [User(username=name, email=f"{name}@x.org", is_admin=True) for name in ("bo", "cy")]
    async with manager.async_session_scope(firm.id) as session:
        session.add_all(users)
    refuse = persons.refuse_last_administrator
    waiting: dict[uuid.UUID, Together] = {}

    async def refused(session: Session, person: Person) -> None:
        if together := waiting.pop(person.id, None):
            await together()
        await refuse(session, person)

    def erase(user: User) -> Callable[[Session, Together], Awaitable[uuid.UUID]]:
        async def erased(session: Session, together: Together) -> uuid.UUID:
            waiting[user.id] = together
            return (await erase_person(session, user.id, documents="erase")).user_id

        return erased

    monkeypatch.setattr(erasing, "refuse_last_administrator", refused)

    outcomes = await race(*map(erase, users))

    [conflict] = (each for each in outcomes if isinstance(each, WriteConflict))
    assert "deadlock" not in str(conflict.orig)
    [left] = {user.id for user in users} - set(outcomes)
    async with manager.async_session_scope(firm.id) as session:
        with pytest.raises(LastAdministrator):
            await erase_person(session, left, documents="erase")


@pytest.mark.slow
async def test_a_status_is_left_once(race: Race, manager: DatabaseManager, firm: Firm) -> None:
    key = firm.documents[0]

    def become(status: str) -> Callable[[Session, Together], Awaitable[str]]:
        async def changed(session: Session, together: Together) -> str:
            documents = DocumentRepository(session)
            assert (await documents.get(key)).status == "draft"
            await together()
            await documents.set_status(key, status)
            return status

        return changed

    outcomes = await race(become("published"), become("archived"))

    [kind] = lost(outcomes)
    assert issubclass(kind, ConcurrencyConflict)
    async with manager.async_session_scope(firm.id) as session:
        document = await DocumentRepository(session).get(key)
    assert document.status in outcomes
    assert document.version == 2


@pytest.mark.slow
async def test_a_grant_is_renewed_or_taken_back(
    race: Race, manager: DatabaseManager, firm: Firm
) -> None:
    key = firm.documents[0]
    async with manager.async_session_scope(firm.id, firm.user_id) as session:
        given = {"username": "bo", "email": "bo@x.org"}
        other = (await BaseRepository(session, User).create(given)).id
        await DocumentRepository(session).share(key, "read", user_id=other)

    async def share(session: Session, together: Together) -> int:
        documents = DocumentRepository(session)
        assert len(await documents.shared_with(key)) == 1
        await together()
        await documents.share(key, "read", user_id=other)
        return 1

    async def unshare(session: Session, together: Together) -> int:
        documents = DocumentRepository(session)
        assert len(await documents.shared_with(key)) == 1
        await together()
        assert await documents.unshare(key, "read", user_id=other)
        return 0

    outcomes = await race(share, unshare)

    assert all(issubclass(kind, ConcurrencyConflict) for kind in lost(outcomes))
    async with manager.async_session_scope(firm.id) as session:
        left = len(await BaseRepository(session, DocumentPermission).list())
    assert left in outcomes


@pytest.mark.slow
async def test_another_unique_value_is_no_conflict(race: Race) -> None:
    async def find(session: Session, together: Together) -> None:
        users = BaseRepository(session, User)
        assert len(await users.list()) == 1
        await together()
        await users.get_or_create({"email": "bo@x.org"}, username=uuid.uuid4().hex)

    assert lost(await race(find, find)) == [DuplicateKey]


@pytest.mark.slow
async def test_what_is_shared_twice_at_once_is_shared_once(race: Race, firm: Firm) -> None:
    key = firm.documents[0]

    async def share(session: Session, together: Together) -> None:
        documents = DocumentRepository(session)
        assert await documents.shared_with(key) == []
        await together()
        await documents.share(key, "read", user_id=firm.user_id)

    assert lost(await race(share, share)) == [WriteConflict]


async def tree(manager: DatabaseManager, firm: Firm) -> tuple[uuid.UUID, uuid.UUID]:
    """Return the keys of two collections at the top."""
    async with manager.async_session_scope(firm.id, firm.user_id) as session:
        collections = CollectionRepository(session)
        first, second = [
            await collections.create({"name": name, "owner_id": firm.user_id})
            for name in ("a", "b")
        ]
    return first.id, second.id


@pytest.mark.slow
async def test_two_moves_close_no_circle(race: Race, manager: DatabaseManager, firm: Firm) -> None:
    first, second = await tree(manager, firm)

    def move(key: uuid.UUID, parent: uuid.UUID) -> Callable[[Session, Together], Awaitable[Any]]:
        async def moved(session: Session, together: Together) -> None:
            collections = CollectionRepository(session)
            await collections.get(key)
            await together()
            await collections.move(key, parent)

        return moved

    [kind] = lost(await race(move(first, second), move(second, first)))

    assert issubclass(kind, ConcurrencyConflict)
    async with manager.async_session_scope(firm.id) as session:
        assert len(await CollectionRepository(session).roots()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", ["delete", "purge"])
@pytest.mark.sampled(2)
async def test_nothing_moves_below_what_is_removed_meanwhile(
    manager: DatabaseManager, firm: Firm, how: str
) -> None:
    child, parent = await tree(manager, firm)

    async with manager.async_session_scope(firm.id, firm.user_id) as session:
        collections = CollectionRepository(session)
        await collections.get(parent)
        async with manager.async_session_scope(firm.id, firm.user_id) as other:
            await getattr(CollectionRepository(other), how)(parent)

        with pytest.raises(ConcurrencyConflict):
            await collections.move(child, parent)
        await session.rollback()

    async with manager.async_session_scope(firm.id) as session:
        [left] = await CollectionRepository(session).roots()
    assert left.id == child
