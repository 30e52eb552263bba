from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from andamios_orm.exceptions import DatabaseUnavailable
from andamios_orm.testing.clock import FrozenClock
from axai_pg.utils import server

if TYPE_CHECKING:
    from axai_pg.data.config import PostgresConnectionConfig

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def waited() -> list[float]:
    """Return where pauses are noted, which are not made."""
    return []


def test_a_server_that_does_not_answer_is_tried_again(
    config: PostgresConnectionConfig, waited: list[float]
) -> None:
    nowhere = dataclasses.replace(config, port=1)

    with pytest.raises(DatabaseUnavailable, match="cannot be used: connection"):
        server.connect(nowhere, timeout=30, attempts=5, pause=waited.append)

    assert waited == [2.0, 4.0, 8.0, 16.0]


@pytest.mark.parametrize(("timeout", "patience"), [(0, 10), (2.5, 10), (30, 30)])
def test_a_single_attempt_has_ten_seconds_or_more(
    config: PostgresConnectionConfig,
    monkeypatch: pytest.MonkeyPatch,
    timeout: float,
    patience: int,
) -> None:
    connect, given = psycopg.connect, []

    def noted(*, connect_timeout: int, **options: Any) -> psycopg.Connection[Any]:
        given.append(connect_timeout)
        return connect(**options)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg, "connect", noted)
        server.connect(config, server.MAINTENANCE, timeout=timeout).close()

    assert given == [patience]


@pytest.mark.parametrize(
    ("timeout", "waits", "pauses"), [(30, [10, 10, 4], [2.0, 4.0]), (1, [1], []), (0, [1], [])]
)
def test_a_server_that_says_nothing_is_waited_for_no_longer(
    config: PostgresConnectionConfig,
    monkeypatch: pytest.MonkeyPatch,
    timeout: float,
    waits: list[int],
    pauses: list[float],
) -> None:
    given, slept = [], []

    with FrozenClock() as clock, monkeypatch.context() as patched:

        def silent(*, connect_timeout: int, **_options: Any) -> None:
            given.append(connect_timeout)
            clock.tick(connect_timeout)
            raise psycopg.OperationalError("connection timeout expired")

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            clock.tick(seconds)

        patched.setattr(psycopg, "connect", silent)
        with pytest.raises(DatabaseUnavailable, match="timeout expired"):
            server.connect(config, timeout=timeout, attempts=5, pause=sleep)

        assert clock.elapsed() <= max(timeout, 1)

    assert (given, slept) == (waits, pauses)


def test_a_server_that_has_answered_is_not_tried_again(
    config: PostgresConnectionConfig, waited: list[float]
) -> None:
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        server.connect(config, timeout=30, attempts=5, pause=waited.append)

    assert waited == []


def test_a_server_that_is_about_to_is_waited_for(
    config: PostgresConnectionConfig, waited: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = psycopg.connect

    def starting(**options: Any) -> psycopg.Connection[Any]:
        if not waited:
            raise psycopg.OperationalError("FATAL:  the database system is starting up")
        return connect(**options)

    with FrozenClock(), monkeypatch.context() as patched:
        patched.setattr(psycopg, "connect", starting)
        connection = server.connect(
            config, server.MAINTENANCE, timeout=1, attempts=2, pause=waited.append
        )

    with connection:
        assert connection.autocommit
    assert waited == [1.0]
