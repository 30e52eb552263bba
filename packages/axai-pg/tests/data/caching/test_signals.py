"""A cache asks nothing while it hears that nothing happens, and trusts no silence."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, select, update

from axai_pg.data.caching import CacheManager, signals
from axai_pg.data.config.database import DatabaseManager, PostgresPoolConfig
from axai_pg.data.models import Topic

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable

    from axai_pg.data.config.database import PostgresConnectionConfig

pytestmark = [pytest.mark.integration, pytest.mark.db]


async def names(manager: DatabaseManager, cache: CacheManager, org_id: uuid.UUID) -> Any:
    """Return the names of the topics, from the cache if they are there."""
    async with manager.async_session_scope(org_id) as session:
        found = await cache.get(session, "names")
        if found is None:
            found = sorted(await session.scalars(select(Topic.name)))
            await cache.set(session, "names", found, reads=(Topic,))
        return found


class Line:
    """Stands between clients and a server; it can keep from them what the server tells."""

    def __init__(self, socket: str) -> None:
        """Lead to the server at ``socket``."""
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._listeners: set[object] = set()
        self.is_deaf = False

    async def __aenter__(self) -> int:
        """Return the port."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_error: object) -> None:
        """Cut everything."""
        assert self._server is not None
        self._server.close()
        for pipe in self._pipes:
            pipe.cancel()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_unix_connection(self._socket)
        line = object()
        for pipe in (
            self._ask(line, reader, questions),
            self._answer(line, answers, writer),
        ):
            task = asyncio.create_task(pipe)
            self._pipes.add(task)
            task.add_done_callback(self._pipes.discard)

    async def _ask(
        self, line: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.closing(writer):
            while said := await reader.read(65_536):
                if b"LISTEN " in said:
                    self._listeners.add(line)
                writer.write(said)

    async def _answer(
        self, line: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.closing(writer):
            while said := await reader.read(65_536):
                if not (self.is_deaf and line in self._listeners):
                    writer.write(said)


async def test_what_is_committed_while_the_line_is_dead_is_seen_soon(
    config: PostgresConnectionConfig,
    service: str,
    manager: DatabaseManager,
    acme: uuid.UUID,
    until: Callable[..., Awaitable[None]],
) -> None:
    line = Line(f"{config.host}/.s.PGSQL.{config.port}")
    async with line as port:
        place = replace(config, username=service, host="127.0.0.1", port=port, ssl_mode="disable")
        through = DatabaseManager(place, PostgresPoolConfig(pool_size=2, max_overflow=2))
        async with CacheManager(through) as cache:
            await names(through, cache, acme)
            await until(lambda: cache.is_listening)
            before = await names(through, cache, acme)
            line.is_deaf = True
            async with manager.async_session_scope(acme) as session:
                await session.execute(update(Topic).values(name="woods"))
            await asyncio.sleep(2 * (signals._PULSE + signals._DEAF))

            after = await names(through, cache, acme)
            is_listening = cache.is_listening
        through.dispose()

    assert (before, after) == (["trees"], ["woods"])
    assert is_listening  # it knows of nothing, and does not rely on it


async def asked_in_a_while(manager: DatabaseManager, cache: CacheManager, org_id: Any) -> list[str]:
    """Return what the database was asked for hits in some pulses without a change."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        if "pg_notify" not in statement:
            asked.append(statement)

    await names(manager, cache, org_id)
    engine = manager._async_engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    for _ in range(4):
        await asyncio.sleep(0.5 * signals._PULSE)
        await names(manager, cache, org_id)
    event.remove(engine, "before_cursor_execute", note)
    return asked


async def test_a_hit_asks_nothing_however_long_nothing_has_happened(
    manager: DatabaseManager,
    acme: uuid.UUID,
    until: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signals, "_PULSE", 0.05)
    monkeypatch.setattr(signals, "_DEAF", 30)  # a busy machine may take its time
    async with CacheManager(manager) as cache:
        await names(manager, cache, acme)
        await until(lambda: cache.is_listening)
        asked = await asked_in_a_while(manager, cache, acme)

        monkeypatch.setattr(signals, "_REST", -1.0)  # as if nobody had asked for a long time
        await asyncio.sleep(4 * signals._PULSE)
        asked_after_rest = await asked_in_a_while(manager, cache, acme)

    assert asked == []
    assert asked_after_rest != []
