from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from andamios_orm.core.blocking import create_blocking_engine
from andamios_orm.exceptions import ConfigurationError, DatabaseUnavailable
from axai_pg.data.config.database import PostgresConnectionConfig, PostgresPoolConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from andamios_orm.testing.postgres import PostgresServer

unit = pytest.mark.unit
integration = pytest.mark.integration
VARIABLES = ("HOST", "PORT", "DB", "USER", "PASSWORD", "SCHEMA", "SSL_MODE")


@pytest.fixture
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Take the variables away that the tests themselves may have been given."""
    for name in VARIABLES:
        monkeypatch.delenv(f"POSTGRES_{name}", raising=False)
    return monkeypatch


@unit
@pytest.mark.usefixtures("empty_environment")
def test_without_an_environment_there_are_defaults() -> None:
    config = PostgresConnectionConfig.from_env()

    assert dataclasses.astuple(config) == (
        *("localhost", 5432, "documents", "postgres", "", "public", "prefer"),
    )


@unit
def test_the_environment_overrides_the_file(
    empty_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".env.test"
    file.write_text("POSTGRES_HOST=of.file\nPOSTGRES_PORT=6543\n", encoding="utf-8")
    for name, value in zip(VARIABLES, ("h", "", "d", "u", "p@s", "s", "require"), strict=True):
        empty_environment.setenv(f"POSTGRES_{name}", value)
    empty_environment.delenv("POSTGRES_PORT")

    config = PostgresConnectionConfig.from_env(env_file=file)

    assert dataclasses.astuple(config) == ("h", 6543, "d", "u", "p@s", "s", "require")


@unit
@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"host": ""}, "host is empty"),
        ({"database": " "}, "database is empty"),
        ({"username": None}, "username is no text"),
        ({"password": "a\0b"}, "password is no text"),
        ({"port": 0}, "port=0 is no number from 1 to 65535"),
        ({"port": "5432"}, "port='5432' is no number"),
        ({"port": 65_536}, "port=65536"),
        ({"ssl_mode": "on"}, "ssl_mode='on' is none of disable, allow, prefer, require"),
        ({"schema": "s" * 64}, "schema is longer than 63 bytes"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        PostgresConnectionConfig(**values)


@unit
def test_a_port_that_is_no_number_is_refused(empty_environment: pytest.MonkeyPatch) -> None:
    empty_environment.setenv("POSTGRES_PORT", "five")

    with pytest.raises(ConfigurationError, match="POSTGRES_PORT=five is no number"):
        PostgresConnectionConfig.from_env()


@unit
@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"pool_size": 0}, "pool_size=0 is below 1"),
        ({"max_overflow": -1}, "max_overflow=-1 is below 0"),
        ({"pool_timeout": "3"}, "pool_timeout='3' is no number"),
        ({"pool_recycle": -2}, "pool_recycle=-2 is below -1"),
        ({"pool_size": 2.5}, "pool_size=2.5 is no whole number"),
        ({"pool_timeout": float("nan")}, "pool_timeout=nan is no number"),
        ({"pool_timeout": float("inf")}, "pool_timeout=inf is no number"),
    ],
)
def test_a_pool_that_makes_no_sense_is_refused_by_name(
    values: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        PostgresPoolConfig(**values)


@unit
def test_no_password_is_shown() -> None:
    config = PostgresConnectionConfig(password="canary")  # noqa: S106 - to look for

    assert "canary" not in repr(config) + repr(config.url) + str(config.url)
    assert "canary" not in repr(PostgresPoolConfig().settings(config.url))


@unit
def test_a_url_is_taken_apart() -> None:
    for config in (
        PostgresConnectionConfig("/run/pg", 5433, "d", "u", "p@/:"),
        PostgresConnectionConfig("h.example.org", 5433, "d", "u", ssl_mode="require"),
    ):
        assert PostgresConnectionConfig.from_url(config.url) == config
    assert PostgresConnectionConfig.from_url("postgresql://") == PostgresConnectionConfig()
    with pytest.raises(ConfigurationError, match="is no URL of PostgreSQL"):
        PostgresConnectionConfig.from_url("duckdb:///x")


@unit
@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("canary", "the URL cannot be read"),
        ("postgresql://u:canary@h:five/d", "the URL cannot be read"),
        ("postgresql:///d?port=five", "port='five' of the URL is no number"),
        ("postgresql://h:99999/d", "port=99999 is no number from 1 to 65535"),
        ("postgresql://h:0/d", "port=0 is no number from 1 to 65535"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused(url: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        PostgresConnectionConfig.from_url(url)

    assert "canary" not in str(refused.value)


@integration
@pytest.mark.db
def test_the_schema_is_the_search_path(shared_url: str) -> None:
    config = dataclasses.replace(
        PostgresConnectionConfig.from_url(shared_url), schema='My "own", schema'
    )
    engine = create_engine(config.url)
    with engine.connect() as connection:
        connection.execute(text('CREATE SCHEMA "My ""own"", schema"'))

        assert connection.scalar(text("SELECT current_schema()")) == config.schema

        connection.rollback()
    engine.dispose()


def passed_on(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes, until one side has had enough."""
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def port_of(config: PostgresConnectionConfig) -> Iterator[int]:
    """Yield a port that leads to the server, which itself has a socket only."""
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as opened:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client = opened.enter_context(server.accept()[0])
                    behind = opened.enter_context(socket.socket(socket.AF_UNIX))
                    behind.connect(f"{config.host}/.s.PGSQL.{config.port}")
                    for pair in ((client, behind), (behind, client)):
                        threading.Thread(target=passed_on, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@integration
@pytest.mark.db
def test_the_mode_of_ssl_is_used(shared_url: str) -> None:
    by_socket = PostgresConnectionConfig.from_url(shared_url)
    with port_of(by_socket) as port:
        config = dataclasses.replace(by_socket, host="127.0.0.1", port=port)

        engine = create_engine(config.url)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        engine.dispose()

        strict = dataclasses.replace(config, ssl_mode="require")
        engine = create_engine(strict.url)
        with pytest.raises(OperationalError, match="server does not support SSL"):
            engine.connect()
        engine.dispose()


@integration
@pytest.mark.db
@pytest.mark.slow
def test_a_password_may_hold_what_a_url_is_made_of(new_server: PostgresServer) -> None:
    config = PostgresConnectionConfig.from_url(new_server.url)
    password = "p@ss/w:rd?#%40 '"  # noqa: S105 - of a server of this test alone
    with psycopg.connect(new_server.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE ana LOGIN PASSWORD {}").format(password))
        rules = Path(config.host) / "data" / "pg_hba.conf"
        rules.write_text("local all ana scram-sha-256\nlocal all all trust\n", encoding="utf-8")
        connection.execute("SELECT pg_reload_conf()")

    ana = dataclasses.replace(config, username="ana", password=password)
    for given in (password, "p@ss"):
        settings = PostgresPoolConfig().settings(dataclasses.replace(ana, password=given).url)
        engine = create_blocking_engine(settings)
        if given == password:
            with engine.connect() as connected:
                assert connected.scalar(text("SELECT session_user")) == "ana"
        else:
            with pytest.raises(DatabaseUnavailable, match="authentication failed") as refused:
                engine.connect()
            assert "p@ss" not in str(refused.value)
        engine.dispose()
