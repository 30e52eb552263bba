"""The database of a command: what names it, and how work on it is interrupted."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from andamios_orm.exceptions import DatabaseFault
from axai_pg.cli.place import Place, in_thread, on_connection, on_manager
from axai_pg.data.config import PostgresConnectionConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from axai_pg.cli.place import Progress
    from axai_pg.data.config import DatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db]

Call: TypeAlias = "Callable[..., Any]"


@pytest.fixture
def place(shared_url: str) -> Place:
    """Return a database that tests share."""
    return Place(PostgresConnectionConfig.from_url(shared_url), "test")


def variables(url: str) -> dict[str, str]:
    """Return the variables that name a database."""
    config = PostgresConnectionConfig.from_url(url)
    return {
        "POSTGRES_HOST": config.host,
        "POSTGRES_PORT": str(config.port),
        "POSTGRES_DB": config.database,
        "POSTGRES_USER": config.username,
        "POSTGRES_PASSWORD": config.password,
    }


def state(done: Any) -> dict[str, Any]:
    """Return what the status says."""
    found: dict[str, Any] = json.loads(done.out)["status"][0]
    return found


def test_the_environment_names_it(
    call: Call, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(shared_url).items():
        monkeypatch.setenv(name, value)

    found = state(call("--json"))

    assert found["origin"] == "POSTGRES_..."
    assert found["size"] > 0


@pytest.mark.slow
def test_a_file_of_the_folder_names_it_and_a_flag_comes_first(call: Call, shared_url: str) -> None:
    lines = [f"{name}='{value}'\n" for name, value in variables(shared_url).items()]
    Path(".env").write_text("".join(lines))

    assert state(call("--json"))["origin"] == ".env"
    assert state(call("--json", "--url", shared_url))["origin"] == "--url"


def test_an_environment_of_pyproject_names_it_or_nothing_does(
    call: Call, shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_HOST", "/nowhere")
    Path("pyproject.toml").write_text(
        f'[tool.axai_pg.environments.live]\nurl = "{shared_url}"\n'
        "[tool.axai_pg.environments.other]\n"
    )

    found = state(call("--json", "--env", "live"))
    other = call("--env", "other")

    assert found["origin"] == "pyproject.toml [tool.axai_pg.environments.live]"
    assert other.code == 2
    assert "under [tool.axai_pg.environments.other]" in other.err


def test_where_nothing_names_one_it_is_said_how(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "axai_pg.cli.place.PostgresConnectionConfig.from_env",
        lambda _file: PostgresConnectionConfig(host="/nowhere"),
    )

    done = call()

    assert done.code == 4
    assert "pass --url, or set AXAI_DATABASE_URL; axai-pg serve-test-db starts one" in done.err


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("postgresql://ana:hidden@/x?host=/nowhere", 4, "ana"),
        ("duckdb:///a.duckdb", 2, "is no URL of PostgreSQL"),
        ("hidden", 2, "the URL cannot be read"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_and_its_password_not_shown(
    call: Call, url: str, code: int, said: str
) -> None:
    done = call("status", "--url", url)

    assert done.code == code
    assert said in done.err
    assert "hidden" not in done.err + done.out


@pytest.mark.parametrize("by_file", [False, True])
def test_the_schema_of_the_environment_is_that_of_the_url(
    call: Call, shared_url: str, monkeypatch: pytest.MonkeyPatch, *, by_file: bool
) -> None:
    if by_file:
        Path(".env").write_text("POSTGRES_SCHEMA=elsewhere\n")
    else:
        monkeypatch.setenv("POSTGRES_SCHEMA", "elsewhere")

    done = call("migrate", "--check", "--url", shared_url)

    assert done.code == 0  # the registry is that of the database
    found = call("check-isolation", "--url", shared_url).out
    assert "public.axai_find_documents(tsquery)" in found  # of a schema that is not the own one
    assert "public.documents" not in found


async def test_what_the_database_refuses_is_our_error(place: Place) -> None:
    with pytest.raises(DatabaseFault, match="division by zero"):
        await on_connection(place, lambda connection: connection.execute("SELECT 1 / 0"))


async def test_an_interruption_ends_the_statement_that_runs(place: Place) -> None:
    begun = threading.Event()

    def sleep(connection: psycopg.Connection[Any]) -> None:
        begun.set()
        connection.execute("SELECT pg_sleep(600)")

    task = asyncio.create_task(on_connection(place, sleep))
    await asyncio.to_thread(begun.wait)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def interrupt(
    place: Place, work: Callable[[DatabaseManager, Progress], None], begun: threading.Event
) -> None:
    """Interrupt work on a manager as soon as it has begun."""
    task = asyncio.create_task(on_manager(place, work))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_interruption_ends_work_that_asks_for_it(place: Place) -> None:
    begun = threading.Event()
    ended = []

    def work(_manager: DatabaseManager, tell: Progress) -> None:
        try:
            while True:
                begun.set()
                tell(0, 1)
        except InterruptedError as error:
            ended.append(error)
            raise

    await interrupt(place, work, begun)

    assert len(ended) == 1


async def test_an_interruption_ends_the_statement_that_a_session_waits_for(place: Place) -> None:
    begun = threading.Event()
    ended: list[Exception] = []

    def sleep(manager: DatabaseManager, _tell: Progress) -> None:
        with manager.session_scope() as session:
            session.execute(text("SELECT 1"))
        event.listen(manager._engine, "before_cursor_execute", lambda *_: begun.set())
        try:
            with manager.session_scope() as session:
                session.execute(text("SELECT pg_sleep(600)"))
        except DBAPIError as error:
            ended.append(error)
            raise

    await interrupt(place, sleep, begun)

    assert "canceling statement due to user request" in str(ended[0])


async def test_work_whose_server_is_gone_is_waited_for() -> None:
    begun, end = threading.Event(), threading.Event()

    def lose() -> None:
        end.set()
        raise psycopg.OperationalError

    def work() -> None:
        begun.set()
        end.wait()

    task = asyncio.create_task(in_thread(work, lose))
    await asyncio.to_thread(begun.wait)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_that_nothing_stops_is_waited_for() -> None:
    begun, end = threading.Event(), threading.Event()
    done = []

    def work() -> None:
        begun.set()
        end.wait()
        done.append(1)

    task = asyncio.create_task(in_thread(work, end.set))
    await asyncio.to_thread(begun.wait)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [1]
