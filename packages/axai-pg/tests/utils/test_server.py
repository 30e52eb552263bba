from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from andamios_orm.exceptions import DatabaseUnavailable
from axai_pg.utils import server

if TYPE_CHECKING:
    from axai_pg.data.config import PostgresConnectionConfig

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses, which are noted and not made."""
    pauses: list[float] = []
    monkeypatch.setattr("axai_pg.utils.server.time.sleep", pauses.append)
    return pauses


def test_a_server_that_does_not_answer_is_tried_again(
    config: PostgresConnectionConfig, waited: list[float]
) -> None:
    nowhere = dataclasses.replace(config, port=1)

    with pytest.raises(DatabaseUnavailable, match="cannot be used: connection"):
        server.connect(nowhere, timeout=30, attempts=5)

    assert waited == [2.0, 4.0, 8.0, 16.0]


def test_a_server_that_has_answered_is_not_tried_again(
    config: PostgresConnectionConfig, waited: list[float]
) -> None:
    with pytest.raises(DatabaseUnavailable, match="does not exist"):
        server.connect(config, timeout=30, attempts=5)

    assert waited == []


def test_a_server_that_is_about_to_is_waited_for(
    config: PostgresConnectionConfig, waited: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = psycopg.connect

    def starting(**options: Any) -> psycopg.Connection[Any]:
        if not waited:
            raise psycopg.OperationalError("FATAL:  the database system is starting up")
        return connect(**options)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg, "connect", starting)
        connection = server.connect(config, server.MAINTENANCE, timeout=1, attempts=2)

    with connection:
        assert connection.autocommit
    assert waited == [1.0]
