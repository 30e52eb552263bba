from __future__ import annotations

import datetime as dt
import inspect
import pickle
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from andamios_orm import Session
from andamios_orm.exceptions import ConfigurationError, QueryRefused, ValueRefused
from andamios_orm.repositories import BaseRepository
from axai_pg.data.models import (
    Document,
    DocumentPermission,
    Organization,
    Role,
    RolePermission,
    Topic,
    User,
    UserRole,
)
from axai_pg.data.security import SecureRepository, SecurityManager, require_permission
from axai_pg.exceptions import PermissionRequired

if TYPE_CHECKING:
    from collections.abc import Callable

    from axai_pg.data.config.database import DatabaseManager
    from axai_pg.data.isolation import IsolatedSession

pytestmark = [pytest.mark.integration, pytest.mark.db]


class House(NamedTuple):
    """An organisation, its users by name, and a document."""

    id: uuid.UUID
    users: dict[str, uuid.UUID]
    document: uuid.UUID
    role: uuid.UUID


@pytest.fixture
async def house(careless: DatabaseManager) -> AsyncIterator[House]:
    """Yield an organisation whose editors may read and create topics."""
    org_id = uuid.uuid4()
    names = ("admin", "editor", "guest", "owner", "left")
    async with careless.async_session_scope(org_id) as session:
        session.add(Organization(id=org_id, name="x"))
        await session.flush()
        users = {
            name: User(
                username=name,
                email=f"{name}@example.org",
                is_admin=name in {"admin", "left"},
                is_active=name != "left",
            )
            for name in names
        }
        role = Role(name="editors")
        session.add_all([*users.values(), role])
        await session.flush()
        document = Document(title="x", owner_id=users["owner"].id)
        session.add_all(
            [
                document,
                UserRole(user_id=users["editor"].id, role_id=role.id),
                RolePermission(role_id=role.id, resource="topics", action="create"),
                RolePermission(role_id=role.id, resource="topics", action="read"),
            ]
        )
    yield House(org_id, {name: user.id for name, user in users.items()}, document.id, role.id)
    careless.dispose()


async def permits(
    manager: DatabaseManager, house: House, user: str | None, resource: str, action: str
) -> bool:
    user_id = None if user is None else house.users[user]
    async with manager.async_session_scope(house.id, user_id) as session:
        return await SecurityManager(session).permits(resource, action)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("user", "action", "expected"),
    [
        ("editor", "create", True),
        ("editor", "read", True),
        ("editor", "delete", False),
        ("guest", "read", False),
        ("admin", "delete", True),
        ("left", "read", False),
        (None, "read", False),
    ],
)
async def test_roles_say_who_may_do_what(
    careless: DatabaseManager,
    house: House,
    user: str | None,
    action: str,
    expected: bool,  # noqa: FBT001
) -> None:
    assert await permits(careless, house, user, "topics", action) is expected


async def test_a_role_is_about_one_kind_of_rows(careless: DatabaseManager, house: House) -> None:
    assert not await permits(careless, house, "editor", "documents", "read")
    with pytest.raises(ValueRefused, match="there are create, read, update, delete, share"):
        await permits(careless, house, "editor", "topics", "burn")


async def test_a_user_of_another_organisation_is_nobody(
    careless: DatabaseManager, house: House
) -> None:
    async with careless.async_session_scope(uuid.uuid4(), house.users["admin"]) as session:
        assert not await SecurityManager(session).permits("topics", "read")


async def test_an_operator_may_do_everything(careless: DatabaseManager, house: House) -> None:
    async with careless.async_system_scope("look") as session:
        manager = SecurityManager(session)
        assert await manager.permits("topics", "delete")
        assert await manager.permits_document(house.document, "share")


async def document_permits(manager: DatabaseManager, house: House, user: str) -> list[str]:
    async with manager.async_session_scope(house.id, house.users[user]) as session:
        security = SecurityManager(session)
        return [
            permission
            for permission in ("read", "write", "share")
            if await security.permits_document(house.document, permission)
        ]


async def test_a_document_is_its_owners_and_the_administrators(
    careless: DatabaseManager, house: House
) -> None:
    assert await document_permits(careless, house, "owner") == ["read", "write", "share"]
    assert await document_permits(careless, house, "admin") == ["read", "write", "share"]
    for user in ("guest", "editor", "left"):
        assert await document_permits(careless, house, user) == []
    async with careless.async_session_scope(house.id, house.users["admin"]) as session:
        assert not await SecurityManager(session).permits_document(uuid.uuid4(), "read")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"permission": "read"}, ["read"]),
        ({"permission": "write"}, ["read", "write"]),
        ({"permission": "read", "expires_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, []),
        ({"permission": "read", "expires_at": dt.datetime(2999, 1, 1, tzinfo=dt.UTC)}, ["read"]),
    ],
)
@pytest.mark.parametrize("through", ["user_id", "role_id"])
@pytest.mark.sampled(3)
async def test_a_document_is_granted(
    careless: DatabaseManager,
    house: House,
    through: str,
    values: dict[str, Any],
    expected: list[str],
) -> None:
    grantee = house.users["editor"] if through == "user_id" else house.role
    async with careless.async_session_scope(house.id) as session:
        session.add(DocumentPermission(document_id=house.document, **{through: grantee}, **values))

    assert await document_permits(careless, house, "editor") == expected
    assert await document_permits(careless, house, "guest") == []


async def test_a_role_may_permit_all_documents(careless: DatabaseManager, house: House) -> None:
    async with careless.async_session_scope(house.id) as session:
        session.add(RolePermission(role_id=house.role, resource="documents", action="update"))

    assert await document_permits(careless, house, "editor") == ["write"]


async def test_nobody_may_do_anything_with_a_deleted_document(
    careless: DatabaseManager, house: House
) -> None:
    async with careless.async_session_scope(house.id) as session:
        await BaseRepository(session, Document).delete(house.document)

    for user in ("owner", "admin"):
        assert await document_permits(careless, house, user) == []


async def test_a_repository_does_what_the_user_may(careless: DatabaseManager, house: House) -> None:
    async with careless.async_session_scope(house.id, house.users["editor"]) as session:
        topics = SecureRepository(session, Topic)
        made = await topics.create({"name": "Trees"})
        assert await topics.count() == 1

        refused = [
            topics.update(made.id, {"name": "Oaks"}),
            topics.delete(made.id),
            topics.upsert({"name": "Oaks"}, match_fields=["name"]),
        ]
        for wanted in refused:
            with pytest.raises(PermissionRequired, match="give the user a role") as no:
                await wanted
            assert no.value.resource == "topics"
            assert str(pickle.loads(pickle.dumps(no.value))) == str(no.value)  # noqa: S301

    async with careless.async_session_scope(house.id) as session:
        with pytest.raises(PermissionRequired, match="nobody is named who may read topics"):
            await SecureRepository(session, Topic).count()


ASK_NOTHING = {
    *("is_detached", "loaded_by_key", "middleware", "session"),
    *(f"{moment}_{what}" for moment in ("before", "after") for what in ("create", "update")),
    *("before_delete", "after_delete", "on", "use", "scope"),
    *("cached", "uncached", "with_deleted", "without_middleware"),
    *("on_session", "reading", "run_alone", "transaction"),
}
"""What sends nothing to the database, or runs what it is given."""


async def called_with_nothing(method: Callable[..., Any]) -> None:
    """Call any method of a repository; permission comes before its arguments are looked at."""
    parameters = inspect.signature(method).parameters.values()
    needed = [each for each in parameters if each.default is each.empty]
    found = method(**{each.name: None for each in needed if each.kind not in VARIABLE})
    await (anext(found) if isinstance(found, AsyncIterator) else found)


VARIABLE = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


@pytest.mark.slow
async def test_no_method_of_a_repository_goes_past_the_permission(
    careless: DatabaseManager, house: House
) -> None:
    names = {name for name in dir(SecureRepository) if not name.startswith("_")} - ASK_NOTHING
    assert {"query", "stream", "load", "history"} < names
    async with careless.async_session_scope(house.id, house.users["guest"]) as session:
        topics = SecureRepository(session, Topic)
        for repository in (topics, topics.with_deleted(), topics.cached()):
            for name in sorted(names):
                with pytest.raises((PermissionRequired, QueryRefused)) as refused:
                    await called_with_nothing(getattr(repository, name))
                assert isinstance(refused.value, QueryRefused) is (name == "query")


@require_permission("topics", "create")
async def awaited(name: str, *, session: Session) -> str:
    return name


@require_permission("topics", "delete")
def called(session: IsolatedSession, name: str) -> str:
    return name


async def test_a_function_is_called_if_the_user_may(
    careless: DatabaseManager, house: House
) -> None:
    async with careless.async_session_scope(house.id, house.users["editor"]) as session:
        assert await awaited("x", session=session) == "x"
    with careless.session_scope(house.id, house.users["admin"]) as blocking:
        assert called(blocking, "x") == "x"
    with (
        careless.session_scope(house.id, house.users["editor"]) as blocking,
        pytest.raises(PermissionRequired, match="may not delete topics"),
    ):
        called(blocking, "x")


async def test_a_method_uses_the_session_of_its_object(
    careless: DatabaseManager, house: House
) -> None:
    class Topics(BaseRepository[Topic]):
        model = Topic

        @require_permission("topics", "share")
        async def give(self) -> None:
            raise AssertionError("not called")

    async with careless.async_session_scope(house.id, house.users["editor"]) as session:
        with pytest.raises(PermissionRequired, match="may not share topics"):
            await Topics(session).give()


async def test_without_a_scope_nobody_can_be_asked() -> None:
    with pytest.raises(ConfigurationError, match="the session is of no scope"):
        SecurityManager(Session())
    with pytest.raises(ConfigurationError, match="pass a session of a scope"):
        await awaited("x", session=Session())
