"""What a broken connection to PostgreSQL is called, before, during and after a COMMIT."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy import exc as sa_exc
from sqlalchemy.ext.asyncio import create_async_engine

from andamios_orm.core.postgresql import guard
from andamios_orm.exceptions import CommitOutcomeUnknown, DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from sqlalchemy import URL, Engine

pytestmark = [pytest.mark.integration, pytest.mark.db]

WHEN = pytest.mark.parametrize("answered", [True, False], ids=["answer lost", "commit lost"])


def hang_up(*lines: socket.socket) -> None:
    """Close ``lines``, also while a thread waits for something to come."""
    for line in lines:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        line.close()


class Proxy:
    """Passes bytes between clients and a server until the client sends ``trap``.

    The line is cut then: at once, or when the server has answered but before the
    client hears of it (``answered``).
    """

    def __init__(self, server: URL) -> None:
        """Stand in front of ``server``, on a port of its own."""
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lines: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.trap: bytes | None = None
        self.answered = True

    def __enter__(self) -> Self:
        """Begin to listen."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening, and cut what is left."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Close every line, as an unplugged cable would."""
        lines, self._lines = self._lines, []
        hang_up(*lines)

    def _connect(self) -> socket.socket:
        folder = self._server.query.get("host")
        if isinstance(folder, str):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{folder}/.s.PGSQL.{self._server.port or 5432}")
            return server
        return socket.create_connection((self._server.host, self._server.port or 5432))

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                self._lines += [client, server]
                cutting = threading.Event()
                for work in (self._send, self._answer):
                    line = (client, server, cutting)
                    threading.Thread(target=work, args=line, daemon=True).start()

    def _send(self, client: socket.socket, server: socket.socket, cutting: threading.Event) -> None:
        with suppress(OSError):
            while sent := client.recv(65_536):
                if self.trap is not None and self.trap in sent:
                    if not self.answered:
                        break
                    cutting.set()
                server.sendall(sent)
        hang_up(client, server)

    def _answer(
        self, client: socket.socket, server: socket.socket, cutting: threading.Event
    ) -> None:
        with suppress(OSError):
            while answer := server.recv(65_536):
                if cutting.is_set():
                    break
                client.sendall(answer)
        hang_up(client, server)


@pytest.fixture
def direct(postgres_url: str) -> Iterator[Engine]:
    """Yield an engine that goes around the proxy, on a table with no rows."""
    engine = create_engine(postgres_url)
    guard(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (id integer PRIMARY KEY)"))
    yield engine
    engine.dispose()


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    """Yield a proxy in front of the server."""
    with Proxy(make_url(postgres_url)) as proxy:
        yield proxy


@pytest.fixture
def proxied_url(postgres_url: str, proxy: Proxy) -> URL:
    """Return the URL of the same database through the proxy."""
    query = {"sslmode": "disable", "gssencmode": "disable"}
    url = make_url(postgres_url)
    return url.set(host="127.0.0.1", port=proxy.port, query=query)


@pytest.fixture
def engine(direct: Engine, proxied_url: URL) -> Iterator[Engine]:
    """Yield a guarded engine behind the proxy."""
    engine = create_engine(proxied_url)
    guard(engine)
    yield engine
    engine.dispose()


def count(engine: Engine) -> int:
    """Return how many notes are stored."""
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM notes")) or 0)


@WHEN
def test_the_outcome_of_a_commit_without_answer_is_unknown(
    engine: Engine, direct: Engine, proxy: Proxy, *, answered: bool
) -> None:
    proxy.answered = answered
    connection = engine.connect()
    connection.execute(text("INSERT INTO notes VALUES (1)"))
    proxy.trap = b"COMMIT"

    with pytest.raises(CommitOutcomeUnknown) as caught:
        connection.commit()

    connection.close()
    proxy.trap = None
    assert caught.value.connection_invalidated
    assert type(caught.value.orig).__name__ == "OperationalError"
    assert count(direct) == int(answered)
    assert count(engine) == int(answered)


@WHEN
async def test_it_is_unknown_to_an_async_engine_as_well(
    direct: Engine, proxied_url: URL, proxy: Proxy, *, answered: bool
) -> None:
    proxy.answered = answered
    engine = create_async_engine(proxied_url)
    guard(engine)

    with pytest.raises(CommitOutcomeUnknown):
        async with engine.begin() as connection:
            await connection.execute(text("INSERT INTO notes VALUES (1)"))
            proxy.trap = b"COMMIT"

    await engine.dispose()
    assert count(direct) == int(answered)


@WHEN
def test_a_statement_without_answer_is_no_commit(
    engine: Engine, direct: Engine, proxy: Proxy, *, answered: bool
) -> None:
    proxy.answered = answered
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        connection.commit()
        proxy.trap = b"INSERT"

        with pytest.raises(DatabaseUnavailable, match="broke") as caught:
            connection.execute(text("INSERT INTO notes VALUES (1)"))
        with pytest.raises(sa_exc.PendingRollbackError):
            connection.execute(text("SELECT 1"))
        with pytest.raises(sa_exc.PendingRollbackError):
            connection.commit()

    assert caught.value.connection_invalidated
    assert count(direct) == 0


def test_a_commit_on_a_connection_known_as_dead_is_not_sent(engine: Engine, direct: Engine) -> None:
    connection = engine.connect()
    connection.execute(text("INSERT INTO notes VALUES (1)"))
    connection.connection.driver_connection.close()  # type: ignore[union-attr]  # is psycopg's

    with pytest.raises(DatabaseUnavailable, match="closed"):
        connection.commit()

    connection.close()
    assert count(direct) == 0


def test_an_empty_transaction_commits_without_a_connection(engine: Engine, proxy: Proxy) -> None:
    with engine.connect() as connection, connection.begin():
        proxy.cut()

    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]  # of QueuePool


@pytest.mark.slow
def test_a_backend_that_an_operator_ends_is_replaced(engine: Engine, direct: Engine) -> None:
    with engine.connect() as connection:
        key = connection.scalar(text("SELECT pg_backend_pid()"))
        with direct.connect() as operator:
            operator.execute(text("SELECT pg_terminate_backend(:key, 5000)"), {"key": key})

        with pytest.raises(DatabaseUnavailable) as caught:
            connection.execute(text("INSERT INTO notes VALUES (1)"))

    assert caught.value.connection_invalidated
    assert count(engine) == 0


@pytest.mark.slow
def test_a_refused_commit_on_a_broken_connection_is_still_refused(
    engine: Engine, direct: Engine, proxy: Proxy
) -> None:
    connection = engine.connect()
    connection.execute(text("INSERT INTO notes VALUES (1)"))
    with pytest.raises(sa_exc.DataError):
        connection.execute(text("SELECT 1 / 0"))
    proxy.cut()

    with pytest.raises(sa_exc.OperationalError, match="division by zero"):
        connection.commit()

    connection.close()
    assert count(direct) == 0
    assert count(engine) == 0


def test_a_server_that_refuses_is_unavailable(proxied_url: URL, proxy: Proxy) -> None:
    proxy.__exit__(None, None, None)
    engine = create_engine(proxied_url.set(password="hush"))  # noqa: S106 (must not be shown)
    guard(engine)

    with pytest.raises(DatabaseUnavailable, match="cannot be used") as caught:
        engine.connect()

    assert "hush" not in str(caught.value)


def test_pre_ping_replaces_a_broken_connection(
    direct: Engine, proxied_url: URL, proxy: Proxy
) -> None:
    engine = create_engine(proxied_url, pool_pre_ping=True)
    guard(engine)
    before = count(engine)
    proxy.cut()

    after = count(engine)

    engine.dispose()
    assert before == after == 0
