"""The server goes away in the middle of work, and comes again."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url, select, text

from andamios_orm.exceptions import CommitOutcomeUnknown, DatabaseUnavailable
from andamios_orm.testing.postgres import PostgresSettings, find_programs
from andamios_orm.testing.unprivileged import account
from axai_pg import migrations
from axai_pg.data.caching import CacheManager
from axai_pg.data.config.database import (
    DatabaseManager,
    PostgresConnectionConfig,
    PostgresPoolConfig,
)
from axai_pg.data.models import Topic
from axai_pg.data.repositories import TopicRepository
from axai_pg.utils.roles import ensure_roles, prepare_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from tests.data.concurrency.conftest import Firm

    from andamios_orm.testing.postgres import PostgresServer

pytestmark = [pytest.mark.concurrency, pytest.mark.db, pytest.mark.slow, pytest.mark.timeout(300)]

STEPS = 3
"""How many writes of each task are acknowledged between two restarts."""


class Server:
    """A server of this test alone, whose commits outlive its crash."""

    def __init__(self, server: PostgresServer, scratch: Path) -> None:
        self.url = server.url
        found = find_programs(PostgresSettings.from_environment(os.environ), scratch)
        assert found is not None
        self._programs, _ = found
        self._folder = str(make_url(server.url).query["host"])
        with self.connection() as connection:
            ensure_roles(connection)
            prepare_database(connection)
            migrations.deploy(connection)
            connection.execute("CREATE ROLE service LOGIN IN ROLE axai_app")
            # The servers of tests acknowledge a commit before it is written.
            connection.execute("ALTER DATABASE postgres SET synchronous_commit = on")

    def connection(self) -> psycopg.Connection[Any]:
        """Return a new connection of the superuser, on which each statement commits."""
        return psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True)

    async def restart(self, mode: str) -> None:
        """Stop it, and return when it is there again."""
        data, log = f"{self._folder}/data", f"{self._folder}/later"
        command = [str(self._programs / "pg_ctl"), "restart", "-D", data, "-m", mode, "-l", log]
        options: dict[str, Any] = {**account(), "cwd": self._folder, "capture_output": True}
        await asyncio.to_thread(lambda: subprocess.run([*command, "-w"], check=True, **options))


@dataclass
class Writer:
    """Makes topics of an organisation, one after the other, and notes what it was told."""

    manager: DatabaseManager
    firm: Firm
    acknowledged: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    refused: dict[str, Exception] = field(default_factory=dict)
    seen: set[uuid.UUID] = field(default_factory=set)
    stopped: bool = False

    async def write(self) -> None:
        """Go on until it is stopped."""
        while not self.stopped:
            name = uuid.uuid4().hex
            try:
                async with self.manager.async_session_scope(self.firm.id) as session:
                    await TopicRepository(session).create({"name": name})
                    self.seen |= set(await session.scalars(text("SELECT org_id FROM topics")))
                self.acknowledged.add(name)
            except CommitOutcomeUnknown:
                self.unknown.add(name)
            except Exception as error:  # noqa: BLE001 - of which kinds they were is looked at
                self.refused[name] = error
                await asyncio.sleep(0.01)  # the server is to come up beside it

    def kinds(self) -> set[type[Exception]]:
        """Return of which kinds the errors were."""
        return {type(error) for error in self.refused.values()}


@pytest.fixture
async def server(new_server: PostgresServer, tmp_path: Path) -> Server:
    """Return a server with the schema."""
    return await asyncio.to_thread(Server, new_server, tmp_path)


@pytest.fixture(params=[True, False], ids=["pinged before", "not pinged"])
async def manager(server: Server, request: pytest.FixtureRequest) -> AsyncIterator[DatabaseManager]:
    """Yield a manager that looks at a connection before it hands it out, or does not."""
    pool = PostgresPoolConfig(pool_size=3, max_overflow=2, pool_pre_ping=request.param)
    config = PostgresConnectionConfig.from_url(make_url(server.url).set(username="service"))
    manager = DatabaseManager(config, pool, require_unprivileged=True)
    yield manager
    manager.dispose()


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged as an error: whoever is told by an exception needs no traceback."""
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]


async def advance(writers: Sequence[Writer], tasks: Sequence[asyncio.Task[None]]) -> None:
    """Return when each writer has been told of some more writes."""
    goals = [len(writer.acknowledged) + STEPS for writer in writers]
    async with asyncio.timeout(60):
        while any(len(w.acknowledged) < goal for w, goal in zip(writers, goals, strict=True)):
            assert not any(task.done() for task in tasks)
            await asyncio.sleep(0.01)


async def test_what_was_acknowledged_outlives_restarts_and_the_pool_recovers(
    server: Server,
    manager: DatabaseManager,
    firms: Sequence[Firm],
    rounds: Callable[[int, int, int], int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    writers = [Writer(manager, firm) for firm in firms for _ in range(2)]
    tasks = [asyncio.create_task(writer.write()) for writer in writers]

    for _ in range(rounds(1, 2, 10)):
        for mode in ("immediate", "fast"):
            await advance(writers, tasks)
            await server.restart(mode)
    await advance(writers, tasks)
    for writer in writers:
        writer.stopped = True
    await asyncio.gather(*tasks)

    assert set().union(*(writer.kinds() for writer in writers)) <= {DatabaseUnavailable}
    assert any(writer.refused for writer in writers)
    for firm in firms:
        mine = [writer for writer in writers if writer.firm is firm]
        async with manager.async_session_scope(firm.id) as session:
            stored = set(await session.scalars(select(Topic.name)))
        acknowledged = set().union(*(writer.acknowledged for writer in mine))
        assert acknowledged <= stored
        assert stored <= acknowledged.union(*(writer.unknown for writer in mine))
        assert set().union(*(writer.seen for writer in mine)) == {firm.id}
    engine: Any = manager._async_engine
    assert engine.pool.checkedout() == 0
    assert errors_in(caplog) == []


async def names(manager: DatabaseManager, cache: CacheManager, firm: Firm) -> list[str]:
    """Return the names of the topics, from the cache if they are there."""
    async with manager.async_session_scope(firm.id) as session:
        found: list[str] | None = await cache.get(session, "names")
        if found is None:
            found = sorted(await session.scalars(select(Topic.name)))
            await cache.set(session, "names", found, reads=(Topic,))
        return found


async def listening(cache: CacheManager) -> None:
    """Return in the moment in which a cache listens."""
    while not cache.is_listening:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)


@pytest.mark.parametrize("asked", [True, False], ids=["asked meanwhile", "asked later"])
@pytest.mark.parametrize("manager", [True], ids=["pinged before"], indirect=True)
async def test_no_answer_of_before_a_restart_is_given_after_a_write(
    server: Server,
    manager: DatabaseManager,
    firm: Firm,
    rounds: Callable[[int, int, int], int],
    caplog: pytest.LogCaptureFixture,
    *,
    asked: bool,
) -> None:
    other = DatabaseManager(manager.conn_config, PostgresPoolConfig(pool_size=1))
    async with manager.async_session_scope(firm.id) as session:
        topic = await TopicRepository(session).create({"name": "first"})

    async with CacheManager(manager) as cache, asyncio.timeout(200):
        for mode in ("immediate", "fast") * rounds(1, 2, 10):
            while not cache.is_listening:
                before = await names(manager, cache, firm)
                await asyncio.sleep(0.01)
            before = await names(manager, cache, firm)
            await server.restart(mode)
            name = uuid.uuid4().hex
            async with other.async_session_scope(firm.id) as session:
                await TopicRepository(session).update(topic.id, {"name": name})
            if asked:
                assert await names(manager, cache, firm) == [name]
            await listening(cache)

            assert before != [name]
            assert await names(manager, cache, firm) == [name]
    other.dispose()
    assert errors_in(caplog) == []
