"""What a scope says at the beginning of its transactions; each test without awaiting and with."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import event, text

from axai_pg.data.isolation import beginning
from axai_pg.exceptions import AccessDenied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axai_pg.data.config.database import DatabaseManager
    from axai_pg.data.isolation import IsolatedSession

    MakeLogin = Callable[..., str]
    Run = Callable[[Callable[[IsolatedSession], Any]], Any]

pytestmark = [pytest.mark.integration, pytest.mark.db, pytest.mark.sampled(2)]

ORG, USER = uuid.uuid4(), uuid.uuid4()
WHO = text("SELECT current_setting('axai.org_id'), current_setting('axai.user_id'), current_user")
SCOPE = (str(ORG), str(USER), "axai_app")


@pytest.fixture(params=["blocking", "async"])
def run(request: pytest.FixtureRequest, manager: DatabaseManager) -> Iterator[Run]:
    """Yield ``run(work)``: what ``work(session)`` returns, on a connection that is known."""

    def blocking(work: Callable[[IsolatedSession], Any]) -> Any:
        with manager.session_scope(ORG, USER) as session:
            return work(session)

    async def awaited(work: Callable[[IsolatedSession], Any]) -> Any:
        async with manager.async_session_scope(ORG, USER) as session:
            return await session.run_sync(work)  # type: ignore[arg-type]  # it is one of ours

    if request.param == "blocking":
        blocking(who)
        yield blocking
        return
    with asyncio.Runner() as runner:
        runner.run(awaited(who))
        yield lambda work: runner.run(awaited(work))
        manager.dispose()


def who(session: IsolatedSession) -> tuple[Any, ...]:
    return tuple(session.execute(WHO).one())


def statements(session: IsolatedSession) -> list[str]:
    """Return a list that each statement of the session's engine is added to."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    return seen


def test_it_takes_no_statement(run: Run) -> None:
    def work(session: IsolatedSession) -> tuple[Any, list[str]]:
        seen = statements(session)
        return who(session), seen

    assert run(work) == (SCOPE, [str(WHO)])


def test_it_is_said_in_each_transaction(run: Run) -> None:
    def work(session: IsolatedSession) -> list[Any]:
        found = [who(session)]
        session.commit()
        found.append(who(session))
        session.rollback()
        with session.begin_nested():
            found.append(who(session))
        return found

    assert run(work) == [SCOPE] * 3


def test_it_is_said_again_after_a_commit_that_nobody_knows_of(run: Run) -> None:
    def work(session: IsolatedSession) -> Any:
        session.execute(text("COMMIT"))
        return who(session)

    assert run(work) == SCOPE


def test_it_is_said_where_statements_are_sent_together(run: Run) -> None:
    """A driver begins ``executemany()`` within a pipeline."""

    def work(session: IsolatedSession) -> Any:
        several = text("SELECT set_config('axai_test.value', :value, true)")
        session.execute(several, [{"value": "1"}, {"value": "2"}])
        return who(session)

    assert run(work) == SCOPE


def test_it_is_said_where_the_driver_begins_by_itself(manager: DatabaseManager) -> None:
    with manager.session_scope(ORG, USER) as session:
        who(session)
        session.commit()
        driver: Any = session.connection().connection.driver_connection
        with driver.transaction():
            assert driver.execute(WHO.text).fetchone() == SCOPE


def test_it_is_a_statement_where_psycopg_does_not_ask(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(beginning._Beginning, "_exec_command")

    def work(session: IsolatedSession) -> tuple[Any, int]:
        driver: Any = session.connection().connection.driver_connection
        driver.is_asked = False  # as on a connection that was never asked
        session.commit()
        seen = statements(session)
        return who(session), len(seen)

    assert run(work) == (SCOPE, 2)


def test_a_role_that_is_taken_away_is_told_by_the_first_statement(
    make_login: MakeLogin, manager_of: Callable[..., DatabaseManager], shared_url: str
) -> None:
    login = make_login("axai_app")
    manager = manager_of(login)
    with (
        psycopg.connect(shared_url.replace("+psycopg", ""), autocommit=True) as administrator,
        manager.session_scope(ORG, USER) as session,
    ):
        who(session)
        session.commit()
        administrator.execute(f"REVOKE axai_app FROM {login}")

        with pytest.raises(AccessDenied, match='permission denied to set role "axai_app"'):
            who(session)
        session.rollback()
        administrator.execute(f"GRANT axai_app TO {login}")

        assert who(session) == SCOPE
