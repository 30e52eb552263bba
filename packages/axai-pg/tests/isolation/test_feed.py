"""The change feed carries keys of an organisation to that organisation alone."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import text, update

from andamios_orm import Database
from axai_pg.data.models import Document, Organization, Topic, User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from andamios_orm import Session

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
async def database(shared_url: str) -> AsyncIterator[Database]:
    async with Database(shared_url) as database:
        yield database


async def act_in(session: Session, org_id: uuid.UUID) -> None:
    await session.execute(text("SET LOCAL ROLE axai_app"))
    await session.execute(
        text("SELECT set_config('axai.org_id', :org_id, true)"), {"org_id": str(org_id)}
    )


async def changes(database: Database, org_id: uuid.UUID) -> list[Any]:
    async with database.session() as session:
        await act_in(session, org_id)
        rows = await session.execute(
            text("SELECT entity, kind, tenant FROM andamios_changes ORDER BY position")
        )
        return [tuple(row) for row in rows]


async def test_each_organisation_sees_its_own_changes(database: Database) -> None:
    ours, theirs = uuid.uuid4(), uuid.uuid4()
    for org_id in (ours, theirs):
        async with database.transaction() as session:
            await act_in(session, org_id)
            user = User(username="ana", email="ana@example.org")
            session.add(Organization(id=org_id, name="x"))
            await session.flush()
            session.add(user)
            await session.flush()
            session.add(Document(title="x", owner_id=user.id))

    assert await changes(database, ours) == [
        (entity, "create", str(ours)) for entity in ("organizations", "users", "documents")
    ]


async def test_a_change_of_many_rows_is_the_organisations_as_well(database: Database) -> None:
    org_id = uuid.uuid4()
    async with database.transaction() as session:
        await act_in(session, org_id)
        session.add(Organization(id=org_id, name="x"))
        await session.flush()
        session.add(Topic(name="x"))
    async with database.transaction() as session:
        await act_in(session, org_id)
        await session.execute(update(Topic).values(description="y"))

    assert (await changes(database, org_id))[2:] == [("topics", "bulk_update", str(org_id))]


def insert(connection: psycopg.Connection[Any], position: int, tenant: uuid.UUID) -> str | None:
    """Return the state of the error of an INSERT, or None."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(
                "INSERT INTO andamios_changes (position, time, entity, kind, count, tenant)"
                " VALUES (%s, now(), 'x', 'create', 1, %s)",
                [position, str(tenant)],
            )
    except psycopg.Error as error:
        return error.sqlstate
    return None


def test_a_position_of_others_is_refused_like_one_that_is_free(
    connect: Any, shared_url: str
) -> None:
    ours, theirs = uuid.uuid4(), uuid.uuid4()
    with connect(shared_url, "axai_system") as system:
        system.execute(
            "INSERT INTO andamios_changes (position, time, entity, kind, count, tenant)"
            " VALUES (7, now(), 'x', 'create', 1, %s)",
            [str(theirs)],
        )
        system.commit()
    with connect(shared_url, "axai_app", ours) as app:
        [(number,)] = app.execute("SELECT pg_current_xact_id()::text::bigint").fetchall()

        assert insert(app, 7, ours) == insert(app, 8, ours) == "42501"
        assert insert(app, number << 20, theirs) == "42501"
        assert insert(app, number << 20, ours) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE andamios_changes SET kind = 'x'",
        "DELETE FROM andamios_changes",
        "SELECT * FROM andamios_history",
        "INSERT INTO andamios_followers VALUES ('x', 1, now())",
        "UPDATE andamios_followers SET position = 0",
    ],
)
def test_a_service_only_adds_changes(connect: Any, shared_url: str, statement: str) -> None:
    with (
        connect(shared_url, "axai_app", uuid.uuid4()) as app,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        app.execute(statement)


def test_a_service_does_not_learn_who_follows(connect: Any, shared_url: str) -> None:
    with connect(shared_url, "postgres", uuid.uuid4()) as connection:
        connection.execute("INSERT INTO andamios_followers VALUES ('mirror', 1, now())")
        connection.execute("SET LOCAL ROLE axai_app")

        assert connection.execute("SELECT * FROM andamios_followers").fetchall() == []
