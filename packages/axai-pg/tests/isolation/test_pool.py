"""Two organisations take turns on one connection, with errors and cancellations."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from contextlib import asynccontextmanager, contextmanager
from random import Random, randrange
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import URL, event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from tests.isolation.logins import made_login
from tests.isolation.scene import fill

from axai_pg import DatabaseManager, Document, PostgresConnectionConfig, PostgresPoolConfig

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection
    from tests.isolation.logins import Login
    from tests.isolation.scene import Organisation

pytestmark = [pytest.mark.concurrency, pytest.mark.db]

BOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
CONFIGURATION = """
[databases]
{dbname} = host={host} port={port} dbname={dbname}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = 1
max_client_conn = 100
"""


@pytest.fixture(scope="module")
def attacked_url(new_attacked: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """Yield the URL of a database of these tests alone, for they commit."""
    with new_attacked() as url:
        yield url


@pytest.fixture(scope="module")
def organisations(attacked_url: str) -> tuple[Organisation, Organisation]:
    with psycopg.connect(attacked_url, autocommit=True) as connection:
        return fill(connection), fill(connection)


@pytest.fixture(scope="module")
def login(attacked_url: str) -> Iterator[Login]:
    with made_login(attacked_url) as login:
        yield login


class ScopedSession(Session):
    """A session of which each transaction begins with its organisation."""


@event.listens_for(ScopedSession, "after_begin")
def _set_context(session: Session, _transaction: Any, connection: Connection) -> None:
    if (org_id := session.info["org_id"]) is not None:
        query = text("SELECT set_config('axai.org_id', :org_id, true)")
        connection.execute(query, {"org_id": str(org_id)})


class Traffic:
    """Operations of organisations on one engine; ``crossed`` is what one saw of another."""

    def __init__(self, engine: AsyncEngine, organisations: tuple[Organisation, ...]) -> None:
        self._engine = engine
        self._ids = [each.id for each in organisations]
        self.crossed: list[str] = []
        self.done: dict[str, int] = {}

    async def run(self, count: int, seed: int) -> None:
        """Do as many operations, eight of which wait for the connection at a time."""
        random = Random(seed)
        operations = (self._read, self._write, self._trespass, self._fail, self._cancel,
                      self._go_on, self._without)  # fmt: skip
        turns = asyncio.Semaphore(8)

        async def turn(operation: Any, org_id: uuid.UUID) -> None:
            async with turns:
                await operation(org_id)
                name = operation.__name__
                self.done[name] = self.done.get(name, 0) + 1

        await asyncio.gather(
            *(turn(random.choice(operations), random.choice(self._ids)) for _ in range(count))
        )

    @asynccontextmanager
    async def _session(self, org_id: uuid.UUID | None) -> AsyncIterator[AsyncSession]:
        session = AsyncSession(
            self._engine, sync_session_class=ScopedSession, info={"org_id": org_id}
        )
        async with session:
            yield session

    async def _look(self, session: AsyncSession, org_id: uuid.UUID | None) -> None:
        """Note each organisation that is seen and should not be, or is not and should be."""
        found = await session.execute(
            text("SELECT org_id FROM documents UNION SELECT org_id FROM topics")
        )
        seen = set(found.scalars())
        if seen != ({org_id} if org_id else set()):
            self.crossed.append(f"{org_id} sees {seen}")

    async def _read(self, org_id: uuid.UUID) -> None:
        async with self._session(org_id) as session:
            await self._look(session, org_id)

    async def _write(self, org_id: uuid.UUID) -> None:
        async with self._session(org_id) as session:
            made = await session.execute(
                text("INSERT INTO topics (name) VALUES (gen_random_uuid()) RETURNING org_id")
            )
            if made.scalar_one() != org_id:
                self.crossed.append(f"{org_id} has written for another")
            await session.commit()

    async def _trespass(self, org_id: uuid.UUID) -> None:
        [other] = [each for each in self._ids if each != org_id]
        async with self._session(org_id) as session:
            with pytest.raises(DBAPIError, match="row-level security"):
                await session.execute(
                    text("INSERT INTO topics (org_id, name) VALUES (:other, 'x')"),
                    {"other": other},
                )

    async def _fail(self, org_id: uuid.UUID) -> None:
        async with self._session(org_id) as session:
            await self._look(session, org_id)
            with pytest.raises(DBAPIError, match="division by zero"):
                await session.execute(text("SELECT 1 / 0"))

    async def _cancel(self, org_id: uuid.UUID) -> None:
        begun = asyncio.Event()

        async def sleep() -> None:
            async with self._session(org_id) as session:
                await self._look(session, org_id)
                begun.set()
                # Not for long: a cancellation that comes before the statement is lost.
                await session.execute(text("SELECT pg_sleep(0.2)"))

        task = asyncio.create_task(sleep())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def _go_on(self, org_id: uuid.UUID) -> None:
        async with self._session(org_id) as session:
            for _ in range(2):
                await self._look(session, org_id)
                await session.commit()

    async def _without(self, _org_id: uuid.UUID) -> None:
        async with self._session(None) as session:
            await self._look(session, None)


@asynccontextmanager
async def engine_for(login: Login, **place: Any) -> AsyncIterator[AsyncEngine]:
    """Yield an engine with one connection; pgbouncer forgets what a statement is called."""
    host = place["host"]
    url = URL.create(
        "postgresql+psycopg",
        login.name,
        login.password,
        database=place["dbname"],
        query={"host": host, "port": str(place.get("port", 5432))},
    )
    engine = create_async_engine(
        url, pool_size=1, max_overflow=0, connect_args={"prepare_threshold": None}
    )
    try:
        yield engine
    finally:
        await engine.dispose()


@contextmanager
def bouncer(login: Login, folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the place of a pgbouncer that has one connection to the server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    users, configuration = folder / "users", folder / "pgbouncer.ini"
    users.write_text(f'"{login.name}" "{login.password}"\n')
    place = {"port": 5432, **login.place}
    configuration.write_text(CONFIGURATION.format(**place, listen_port=port, users=users))
    nobody: dict[str, Any] = {}
    if os.geteuid() == 0:  # it refuses to run as root
        nobody = {"user": "nobody"}
        for path in (users, configuration, folder, *folder.parents[:3]):
            path.chmod(path.stat().st_mode | 0o055)
    assert BOUNCER is not None
    log = folder / "log"  # a pipe that nobody reads would stop it once it is full
    with (
        log.open("wb") as said,
        subprocess.Popen(
            [BOUNCER, configuration], stdout=subprocess.DEVNULL, stderr=said, **nobody
        ) as process,
    ):
        try:
            while b"process up" not in log.read_bytes():
                assert process.poll() is None, log.read_text()
                time.sleep(0.01)
            yield {**place, "host": "127.0.0.1", "port": port}
        finally:
            process.terminate()


@pytest.mark.slow
async def test_nothing_crosses_on_one_connection(
    login: Login,
    organisations: tuple[Organisation, Organisation],
    rounds: Callable[[int, int, int], int],
) -> None:
    seed, count = randrange(2**32), rounds(100, 1_000, 1_000)
    async with engine_for(login, **login.place) as engine:
        traffic = Traffic(engine, organisations)
        await traffic.run(count, seed)

    assert (seed, traffic.crossed) == (seed, [])
    assert sum(traffic.done.values()) == count
    assert len(traffic.done) == 7


@pytest.mark.slow
@pytest.mark.skipif(BOUNCER is None, reason="pgbouncer is not installed: .ci/run does it")
async def test_nothing_crosses_behind_pgbouncer(
    login: Login,
    organisations: tuple[Organisation, Organisation],
    rounds: Callable[[int, int, int], int],
    tmp_path: Path,
) -> None:
    """In transaction mode: the next transaction is on a connection that another client had."""
    seed, count = randrange(2**32), rounds(60, 1_000, 1_000)
    with bouncer(login, tmp_path) as place:
        async with engine_for(login, **place) as one, engine_for(login, **place) as other:
            traffics = [Traffic(engine, organisations) for engine in (one, other)]
            await asyncio.gather(
                *(traffic.run(count // 2, seed + turn) for turn, traffic in enumerate(traffics))
            )

    assert (seed, [traffic.crossed for traffic in traffics]) == (seed, [[], []])
    assert sum(sum(traffic.done.values()) for traffic in traffics) == count


@pytest.mark.skipif(BOUNCER is None, reason="pgbouncer is not installed: .ci/run does it")
def test_a_context_of_a_session_would_cross_behind_pgbouncer(
    login: Login, organisations: tuple[Organisation, Organisation], tmp_path: Path
) -> None:
    """Not protected, and why no context is ever set for a session."""
    theirs = organisations[1]
    with (
        bouncer(login, tmp_path) as place,
        psycopg.connect(**place, user=login.name, password=login.password) as first,
        psycopg.connect(**place, user=login.name, password=login.password) as second,
    ):
        first.execute("SELECT set_config('axai.org_id', %s, false)", [str(theirs.id)])
        first.commit()

        found = second.execute("SELECT id FROM documents").fetchall()
        assert found == [(theirs.keys["documents"],)]


@pytest.mark.slow
@pytest.mark.skipif(BOUNCER is None, reason="pgbouncer is not installed: .ci/run does it")
def test_managers_behind_pgbouncer_share_its_connection(
    login: Login, organisations: tuple[Organisation, Organisation], tmp_path: Path
) -> None:
    """Each runs its statements often enough that psycopg would give them names."""
    pool = PostgresPoolConfig(prepare_statements=False)
    seen: list[set[uuid.UUID]] = [set(), set()]
    with bouncer(login, tmp_path) as place:
        config = PostgresConnectionConfig(
            place["host"], place["port"], place["dbname"], login.name, login.password
        )
        managers = [DatabaseManager(config, pool, require_unprivileged=True) for _ in seen]
        for _ in range(8):
            for manager, organisation, keys in zip(managers, organisations, seen, strict=True):
                with manager.session_scope(organisation.id) as session:
                    keys.update(session.scalars(select(Document.id)))
        for manager in managers:
            manager.dispose()

    assert seen[0].isdisjoint(seen[1])
    assert [
        each.keys["documents"] in keys for each, keys in zip(organisations, seen, strict=True)
    ] == [True, True]
