"""What a session may see and do; each test twice, without awaiting and with."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, event, func, insert, literal, select, text, union_all, update

from andamios_orm.exceptions import (
    ConfigurationError,
    DatabaseUnavailable,
    DataFault,
    PoolExhausted,
    TransactionAborted,
)
from axai_pg.data.models import Document, Organization, Topic, User
from axai_pg.exceptions import AccessDenied, OrganizationRequired, OrganizationUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from axai_pg.data.config.database import DatabaseManager
    from axai_pg.data.isolation import IsolatedSession

    Run = Callable[..., Any]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(4)]


@pytest.fixture(params=["blocking", "async"])
def run(request: pytest.FixtureRequest, manager: DatabaseManager) -> Iterator[Run]:
    """Yield ``run(work, org_id)``: what ``work(session)`` returns, in a scope."""

    def blocking(work: Callable[[IsolatedSession], Any], *scope: Any) -> Any:
        with manager.session_scope(*scope) as session:
            return work(session)

    async def awaited(work: Callable[[IsolatedSession], Any], *scope: Any) -> Any:
        async with manager.async_session_scope(*scope) as session:
            return await session.run_sync(work)  # type: ignore[arg-type]  # it is one of ours

    if request.param == "blocking":
        yield blocking
        return
    with asyncio.Runner() as runner:
        yield lambda work, *scope: runner.run(awaited(work, *scope))
        manager.dispose()


def organization(session: IsolatedSession) -> None:
    assert session.scope.org_id is not None
    session.add(Organization(id=session.scope.org_id, name="x"))
    session.flush()


def count(model: Any = Topic) -> Callable[[IsolatedSession], Any]:
    return lambda session: session.scalar(select(func.count()).select_from(model))


@pytest.fixture
def organizations(run: Run) -> tuple[uuid.UUID, uuid.UUID]:
    """Return two organisations, of which the first has a topic."""
    ours, theirs = uuid.uuid4(), uuid.uuid4()
    for org_id in (ours, theirs):
        run(organization, org_id)
    run(lambda session: session.add(Topic(name="ours")), ours)
    return ours, theirs


def test_rows_are_of_the_organisation_of_the_scope(run: Run, organizations: Any) -> None:
    ours, theirs = organizations

    assert run(count(), ours) == 1
    assert run(count(), theirs) == 0
    assert run(count(Organization), theirs) == 1
    assert run(lambda session: session.scalar(select(Topic.org_id)), str(ours)) == ours


def test_a_scope_sets_both_keys_and_the_role_until_its_transaction_ends(
    run: Run, organizations: Any
) -> None:
    ours, _ = organizations
    user_id = uuid.uuid4()
    asked = text(
        "SELECT current_setting('axai.org_id'), current_setting('axai.user_id'), current_user,"
        " session_user <> current_user"
    )

    def twice(session: IsolatedSession) -> list[Any]:
        first = tuple(session.execute(asked).one())
        session.commit()
        return [first, tuple(session.execute(asked).one())]

    assert run(twice, ours, user_id) == [(str(ours), str(user_id), "axai_app", True)] * 2
    assert run(lambda session: tuple(session.execute(asked).one())) == ("", "", "axai_app", True)


LEFT = text(
    "SELECT coalesce(current_setting('axai.org_id', true), ''),"
    " coalesce(current_setting('axai.user_id', true), ''), current_user"
)


@pytest.mark.parametrize("ending", ["commit", "rollback"])
async def test_a_connection_knows_of_nobody_after_a_scope(
    manager: DatabaseManager, service: str, ending: str
) -> None:
    """Asked past all scopes: the next one would set its own keys, and hide what was left."""
    with manager.session_scope(uuid.uuid4(), uuid.uuid4()) as session:
        session.execute(LEFT)
        getattr(session, ending)()
    with manager._engine.connect() as connection:
        assert tuple(connection.execute(LEFT).one()) == ("", "", service)

    async with manager.async_session_scope(uuid.uuid4(), uuid.uuid4()) as awaited:
        await awaited.execute(LEFT)
        await getattr(awaited, ending)()
    async with manager._async_engine.connect() as awaiting:
        assert tuple((await awaiting.execute(LEFT)).one()) == ("", "", service)
    manager.dispose()


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_a_second_transaction_of_a_scope_is_in_it_too(
    run: Run, organizations: Any, ending: str
) -> None:
    def twice(session: IsolatedSession) -> Any:
        first = count()(session)
        getattr(session, ending)()
        return first, count()(session)

    assert run(twice, organizations[0]) == (1, 1)


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_a_savepoint_keeps_the_scope(run: Run, organizations: Any, ending: str) -> None:
    def inside(session: IsolatedSession) -> Any:
        with session.begin_nested() as savepoint:  # it is the first statement
            first = count()(session)
            getattr(savepoint, ending)()
        return first, count()(session)

    assert run(inside, organizations[0]) == (1, 1)


TOUCHING: list[Any] = [
    select(Topic),
    select(Topic.__table__),
    select(func.count()).select_from(Topic),
    select(literal(1)).where(select(User.id).exists()),
    union_all(select(literal(1)), select(literal(1)).select_from(Organization)),
    insert(Topic).values(name="x"),
    update(Topic).values(name="x"),
    delete(Document),
    text("SELECT count(*) FROM topics"),
    text('TABLE "users"'),
    text("SELECT 1 FROM public.documents"),
]


@pytest.mark.parametrize("statement", TOUCHING, ids=lambda statement: str(statement)[:20])
def test_a_table_of_organisations_asks_for_one(run: Run, statement: Any) -> None:
    with pytest.raises(OrganizationRequired, match=r"has none: pass org_id to session_scope\(\)"):
        run(lambda session: session.execute(statement))


def test_so_does_a_row_that_is_flushed_got_or_asked_for_past_the_session(run: Run) -> None:
    for work in (
        lambda session: session.add(Topic(name="x")),
        lambda session: session.get(Topic, uuid.uuid4()),
        lambda session: session.connection().execute(select(Topic.__table__)),
        lambda session: session.connection().exec_driver_sql("SELECT * FROM topics"),
        lambda session: session.execute(text("SELECT name FROM Public.Topics")),
    ):
        with pytest.raises(OrganizationRequired) as refused:
            run(work)
        assert refused.value.table == "topics"


def test_without_an_organisation_all_else_is_open(run: Run) -> None:
    statement = text("SELECT 'topics', count(*) FROM pg_roles WHERE rolname = 'axai_app'")

    assert tuple(run(lambda session: session.execute(statement).one())) == ("topics", 1)


def test_a_refused_statement_harms_nothing(run: Run) -> None:
    def go_on(session: IsolatedSession) -> Any:
        with pytest.raises(OrganizationRequired):
            session.execute(select(Topic))
        return session.scalar(select(1))

    assert run(go_on) == 1


def test_a_row_of_another_organisation_is_refused(run: Run, organizations: Any) -> None:
    ours, theirs = organizations

    with pytest.raises(AccessDenied, match="a row of topics would be of another") as refused:
        run(lambda session: session.add(Topic(name="x", org_id=theirs)), ours)

    assert refused.value.table == "topics"
    assert run(count(), theirs) == 0


def test_an_organisation_that_is_not_there_is_named_when_it_is_written_to(run: Run) -> None:
    with pytest.raises(OrganizationUnknown, match="does not exist: make it first"):
        run(lambda session: session.add(Topic(name="x")), uuid.uuid4())


def test_what_a_service_may_not_do_is_named(run: Run, organizations: Any) -> None:
    with pytest.raises(AccessDenied, match="permission denied for table audit_log") as refused:
        run(lambda session: session.execute(text("SELECT * FROM audit_log")), organizations[0])
    assert refused.value.table == "audit_log"
    with pytest.raises(AccessDenied) as refused:
        run(lambda session: session.execute(text("SET ROLE postgres")), organizations[0])
    assert refused.value.table is None


def test_the_planner_is_told_the_organisation(run: Run, organizations: Any) -> None:
    ours, theirs = organizations

    sent: list[str] = []

    def sending(statement: Any) -> str:
        """Return what is sent for a statement, beside what the feed asks for."""
        sent.clear()

        def work(session: IsolatedSession) -> None:
            event.listen(session.connection(), "before_cursor_execute", note)
            session.execute(statement)

        def note(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
            sent.append(text)

        run(work, ours)
        return next(text for text in sent if not text.startswith("SELECT set_config"))

    assert "WHERE topics.org_id = " in sending(select(Topic))
    assert "WHERE topics.org_id = " in sending(update(Topic).values(description="x"))
    assert "WHERE organizations.id = " in sending(select(Organization))
    assert "WHERE" not in sending(select(Topic.__table__))
    assert run(lambda session: session.scalars(select(Topic)).all(), theirs) == []


def test_autocommit_is_refused(run: Run, organizations: Any) -> None:
    def alone(session: IsolatedSession) -> None:
        options = {"isolation_level": "AUTOCOMMIT"}
        with pytest.raises(ConfigurationError, match="with AUTOCOMMIT there is none"):
            session.connection(execution_options=options)
        session.execute(text("SELECT 1"))

    with pytest.raises(Exception, match="invalid transaction is rolled back"):
        run(alone, organizations[0])
    assert run(count(), organizations[0]) == 1


def fail(session: IsolatedSession) -> None:
    session.execute(text("SELECT 1 / 0"))


def swallow(session: IsolatedSession) -> None:
    with pytest.raises(DataFault):
        fail(session)


def nothing_is_left(run: Run, theirs: uuid.UUID) -> bool:
    """Return whether the next scope is in its own organisation, or in none."""
    inside = text("SELECT coalesce(current_setting('axai.org_id', true), ''), current_user")
    with pytest.raises(OrganizationRequired):
        run(count())
    found = run(lambda session: tuple(session.execute(inside).one()))
    return bool(run(count(), theirs) == 0 and found == ("", "axai_app"))


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (count(), None),
        (lambda session: session.rollback(), None),
        (fail, DataFault),
        (swallow, TransactionAborted),
    ],
    ids=["commit", "rollback", "error", "swallowed"],
)
def test_nothing_is_left_on_the_one_connection_of_a_pool(
    run: Run, organizations: Any, work: Any, error: Any
) -> None:
    ours, theirs = organizations

    with contextlib.nullcontext() if error is None else pytest.raises(error):
        run(work, ours)

    assert nothing_is_left(run, theirs)


def test_nothing_is_left_by_a_connection_that_was_killed(
    run: Run, organizations: Any, superuser: psycopg.Connection[Any]
) -> None:
    ours, theirs = organizations

    def killed(session: IsolatedSession) -> None:
        session.add(Topic(name="lost"))
        session.flush()
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        superuser.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        session.execute(select(1))

    with pytest.raises(DatabaseUnavailable, match="connection to PostgreSQL broke"):
        run(killed, ours)

    assert nothing_is_left(run, theirs)
    assert run(count(), ours) == 1


def test_a_full_pool_is_named(run: Run, organizations: Any, manager: DatabaseManager) -> None:
    def again(session: IsolatedSession) -> None:
        session.execute(select(1))
        with pytest.raises(PoolExhausted, match="all 1 connections"):
            session.get_bind().engine.connect()

    run(again, organizations[0])


async def test_nothing_is_left_by_a_cancelled_task(
    manager: DatabaseManager, superuser: psycopg.Connection[Any]
) -> None:
    ours, theirs = uuid.uuid4(), uuid.uuid4()
    superuser.execute("SELECT pg_advisory_lock(4711)")

    async def wait() -> None:
        async with manager.async_session_scope(ours) as session:
            session.add(Organization(id=ours, name="x"))
            await session.flush()
            await session.execute(text("SELECT pg_advisory_lock(4711)"))

    task = asyncio.create_task(wait())
    waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
    while superuser.execute(waiting).fetchone() is None:  # noqa: ASYNC110 - the server has no event
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    superuser.execute("SELECT pg_advisory_unlock(4711)")

    for org_id in (theirs, ours):
        async with manager.async_session_scope(org_id) as session:
            assert (await session.scalars(select(Organization.id))).all() == []
    with pytest.raises(OrganizationRequired):
        async with manager.async_session_scope() as session:
            await session.execute(select(Topic))
    manager.dispose()


def test_a_session_is_of_no_use_after_its_scope(manager: DatabaseManager) -> None:
    with manager.session_scope(uuid.uuid4()) as session:
        session.execute(select(1))

    with pytest.raises(Exception, match="closed"):
        session.execute(select(1))
