from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import uuid
import warnings
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import select, text

from andamios_orm.exceptions import ConfigurationError, DatabaseUnavailable
from axai_pg.data.config.database import (
    DatabaseManager,
    PostgresConnectionConfig,
    PostgresPoolConfig,
)
from axai_pg.data.models import Organization, Topic
from axai_pg.exceptions import (
    NotInitialized,
    OrganizationChanged,
    OrganizationRequired,
    PrivilegedLoginUsed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    ManagerOf = Callable[..., DatabaseManager]

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def organization(careless: DatabaseManager) -> uuid.UUID:
    """Return an organisation that is there."""
    key = uuid.uuid4()
    with careless.session_scope(key) as session:
        session.add(Organization(id=key, name="Acme"))
    return key


def names(manager: DatabaseManager, org_id: uuid.UUID) -> list[str]:
    with manager.session_scope(org_id) as session:
        return list(session.scalars(select(Topic.name)))


# ---- the pool -------------------------------------------------------------------------


@pytest.mark.parametrize("prepared", [True, False])
async def test_statements_have_names_in_the_server_unless_told_not_to(
    manager_of: ManagerOf, service: str, *, prepared: bool
) -> None:
    manager = manager_of(service, pool=PostgresPoolConfig(prepared_statements=prepared))
    count = text("SELECT count(*) FROM pg_prepared_statements")

    with manager.session_scope() as session:
        blocking = [session.scalar(count) for _ in range(8)]
    async with manager.async_session_scope() as awaited:
        waiting = [await awaited.scalar(count) for _ in range(8)]

    assert [bool(blocking[-1]), bool(waiting[-1])] == [prepared, prepared]


# ---- scopes -------------------------------------------------------------------------


def test_a_scope_commits_in_the_end(manager: DatabaseManager, organization: uuid.UUID) -> None:
    with manager.session_scope(org_id=organization) as session:
        topic = Topic(name="kept")
        session.add(topic)

    assert topic.org_id == organization  # it stays usable
    assert names(manager, organization) == ["kept"]


def test_a_scope_rolls_back_on_any_error(manager: DatabaseManager, organization: uuid.UUID) -> None:
    with pytest.raises(KeyboardInterrupt), manager.session_scope(organization) as session:
        session.add(Topic(name="lost"))
        session.flush()
        raise KeyboardInterrupt

    assert names(manager, organization) == []


async def test_an_async_scope_does_both(careless: DatabaseManager, organization: uuid.UUID) -> None:
    async with careless.async_session_scope(organization) as session:
        session.add(Topic(name="kept"))
    with pytest.raises(ZeroDivisionError):
        async with careless.async_session_scope(organization) as session:
            session.add(Topic(name="lost"))
            await session.flush()
            raise ZeroDivisionError

    async with careless.async_session_scope(organization) as session:
        assert (await session.scalars(select(Topic.name))).all() == ["kept"]
    careless.dispose()


def test_a_scope_inside_another_keeps_the_organisation(
    manager_of: ManagerOf, service: str, organization: uuid.UUID
) -> None:
    manager = manager_of(service, pool=PostgresPoolConfig(pool_size=2))
    with manager.session_scope(organization):
        with manager.session_scope(organization, uuid.uuid4()) as inner:
            assert inner.scalar(select(Organization.id)) == organization
        with pytest.raises(OrganizationChanged), manager.session_scope(uuid.uuid4()):
            pass
        with pytest.raises(OrganizationChanged), manager.system_scope("out"):
            pass


async def test_an_async_scope_inside_another_keeps_the_organisation(
    manager: DatabaseManager,
) -> None:
    async with manager.async_session_scope(uuid.uuid4()):
        with pytest.raises(OrganizationChanged):
            async with manager.async_session_scope(uuid.uuid4()):
                pass
        with pytest.raises(OrganizationChanged):
            async with manager.async_system_scope("out"):
                pass


# ---- operators ----------------------------------------------------------------------

NOTED = text("SELECT login, details ->> 'reason' FROM audit_log WHERE details ->> 'reason' = :why")


@pytest.mark.parametrize("error", [None, ZeroDivisionError()])
def test_an_operator_sees_all_organisations_and_says_why(
    careless: DatabaseManager, organization: uuid.UUID, error: Exception | None
) -> None:
    why = f"repair {uuid.uuid4()}"

    with (
        contextlib.suppress(ZeroDivisionError),
        careless.system_scope(why, user_id=uuid.uuid4()) as session,
    ):
        assert organization in session.scalars(select(Organization.id)).all()
        if error is not None:
            raise error

    with careless.system_scope("look") as session:
        found = session.execute(NOTED, {"why": why}).all()
        assert [tuple(row) for row in found] == [("postgres", why)]


async def test_so_does_one_who_awaits(careless: DatabaseManager, organization: uuid.UUID) -> None:
    why = f"repair {uuid.uuid4()}"

    async with careless.async_system_scope(why) as session:
        session.add(Topic(name="of an operator", org_id=organization))
        await session.flush()
        assert (await session.execute(NOTED, {"why": why})).one()

    async with careless.async_session_scope(organization) as session:
        assert (await session.scalars(select(Topic.name))).all() == ["of an operator"]
    careless.dispose()


def test_the_scope_of_an_operator_may_hold_one_of_an_organisation(
    manager_of: ManagerOf, organization: uuid.UUID
) -> None:
    manager = manager_of("postgres", pool=PostgresPoolConfig(pool_size=2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivilegedLoginUsed)
        with manager.system_scope("each"), manager.session_scope(organization) as session:
            assert session.scalars(select(Organization.id)).all() == [organization]


def test_a_login_of_a_service_is_no_operators(manager_of: ManagerOf, service: str) -> None:
    with (
        pytest.raises(ConfigurationError, match=f'GRANT axai_system TO "{service}"'),
        manager_of(service).system_scope("curious"),
    ):
        pass


def test_operators_have_a_manager_of_their_own(manager: DatabaseManager) -> None:
    with (
        pytest.raises(ConfigurationError, match="operators have a login and a DatabaseManager"),
        manager.system_scope("curious"),
    ):
        pass


# ---- the one of a program -----------------------------------------------------------


def test_without_a_manager_it_is_said_how_to_make_one() -> None:
    with pytest.raises(
        NotInitialized, match=r"DatabaseManager not initialized: call DatabaseManager\.initialize\("
    ):
        DatabaseManager.get_instance()


def test_a_program_has_one_manager(config: PostgresConnectionConfig, service: str) -> None:
    mine = dataclasses.replace(config, username=service)
    first = DatabaseManager.initialize(mine)
    try:
        assert DatabaseManager.get_instance() is first
        with first.session_scope() as session:
            session.execute(select(1))
            second = DatabaseManager.initialize(mine, PostgresPoolConfig(pool_size=1))
            assert DatabaseManager.get_instance() is second
            session.execute(select(1))  # who is at work is not disturbed
        other = DatabaseManager(mine)
        other.dispose()
        assert DatabaseManager.get_instance() is second
    finally:
        DatabaseManager.get_instance().dispose()
    with pytest.raises(NotInitialized):
        DatabaseManager.get_instance()


def connections(superuser: psycopg.Connection[Any], login: str) -> int:
    asked = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
    [(count,)] = superuser.execute(asked, [login]).fetchall()
    return int(count)


async def test_it_closes_its_connections(
    manager_of: ManagerOf, make_login: Any, superuser: psycopg.Connection[Any]
) -> None:
    login = make_login("axai_app")
    manager = manager_of(login)
    with manager.session_scope() as session:
        session.execute(select(1))
    async with manager.async_session_scope() as session_:
        await session_.execute(select(1))
    assert connections(superuser, login) == 2

    manager.dispose()

    while connections(superuser, login):  # noqa: ASYNC110 - the server has no event
        await asyncio.sleep(0.01)


def test_no_password_is_shown() -> None:
    manager = DatabaseManager(PostgresConnectionConfig(password="canary"))  # noqa: S106

    assert "canary" not in repr(manager) + repr(manager.conn_config)


# ---- health -------------------------------------------------------------------------


async def test_a_database_that_is_well_says_so(manager: DatabaseManager, service: str) -> None:
    health = await manager.check_health()
    manager.dispose()

    assert (health.ok, health.isolated, health.error) == (True, True, None)
    assert (health.login, health.role, health.privileged) == (service, "axai_app", ())
    assert health.version is not None
    assert health.version.split(".")[0].isdecimal()
    assert health.latency > 0
    assert (health.pool.in_use, health.pool.limit) == (0, 1)


async def test_a_privileged_login_is_seen(careless: DatabaseManager) -> None:
    health = await careless.check_health()
    careless.dispose()

    assert (health.ok, health.isolated) == (True, True)
    assert (health.role, health.privileged) == ("axai_app", ("it is a superuser",))


OTHERWISE = "DROP POLICY axai_tenant ON {0}; CREATE POLICY axai_tenant ON {0} {1} USING (false)"
UNPROTECTED = {
    "andamios_changes": "DROP POLICY axai_tenant ON andamios_changes",
    "andamios_followers": "ALTER TABLE andamios_followers DISABLE ROW LEVEL SECURITY",
    "collections": OTHERWISE.format("collections", "AS PERMISSIVE"),
    "document_topics": "DROP TABLE document_topics",
    "documents": "DROP POLICY axai_tenant ON documents",
    "roles": OTHERWISE.format("roles", "AS RESTRICTIVE TO axai_app"),
    "summaries": "ALTER POLICY axai_tenant ON summaries USING (true)",
    "topics": "ALTER TABLE topics NO FORCE ROW LEVEL SECURITY",
    "users": OTHERWISE.format("users", "AS RESTRICTIVE FOR SELECT"),
}


@pytest.mark.slow
async def test_a_table_that_is_not_protected_is_seen(schema_url: str, service: str) -> None:
    with psycopg.connect(schema_url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in UNPROTECTED.values():
            connection.execute(statement.encode())
    mine = dataclasses.replace(PostgresConnectionConfig.from_url(schema_url), username=service)
    manager = DatabaseManager(mine)

    health = await manager.check_health()
    manager.dispose()

    assert (health.ok, health.isolated) == (True, False)
    assert health.unprotected == tuple(sorted(UNPROTECTED))


async def test_a_database_that_cannot_be_reached_is_reported(
    config: PostgresConnectionConfig,
) -> None:
    manager = DatabaseManager(dataclasses.replace(config, port=1))

    health = await manager.check_health()

    assert (health.ok, health.isolated) == (False, False)
    assert health.error is not None
    assert health.error.startswith("DatabaseUnavailable: ")
    with pytest.raises(DatabaseUnavailable), manager.session_scope() as session:
        session.execute(select(1))


@pytest.mark.slow
async def test_a_database_that_has_no_connection_left_is_reported(
    manager: DatabaseManager,
) -> None:
    async with manager.async_session_scope() as session:
        await session.execute(select(1))
        health = await manager.check_health()
    manager.dispose()

    assert health.error is not None
    assert health.error.startswith("PoolExhausted: ")


async def test_a_database_that_does_not_answer_is_reported(manager: DatabaseManager) -> None:
    health = await manager.check_health(timeout=0)
    manager.dispose()

    assert health.error == "no answer within 0 s"


@pytest.mark.slow
async def test_connections_that_have_died_in_the_pool_are_replaced(
    manager: DatabaseManager, superuser: psycopg.Connection[Any], service: str
) -> None:
    asked = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s"
    for _ in range(2):
        with pytest.raises(OrganizationRequired), manager.session_scope() as session:
            session.execute(select(Topic))
        async with manager.async_session_scope(uuid.uuid4()) as session_:
            assert (await session_.scalars(select(Topic))).all() == []
        assert len(superuser.execute(asked, [service]).fetchall()) == 2
    manager.dispose()
