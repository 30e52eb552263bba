"""All that a manager does is measured, by names of code."""

from __future__ import annotations

import logging
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from andamios_orm.core.ledger import Entry, Ledger
from andamios_orm.exceptions import AndamiosError, ConfigurationError, DataFault, NotFound
from andamios_orm.repositories import BaseRepository
from axai_pg.data.caching import CacheManager
from axai_pg.data.metrics import Metrics, track_metrics
from axai_pg.data.models import Topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import psycopg

    from axai_pg import DatabaseManager

pytestmark = [pytest.mark.integration, pytest.mark.db]


class Unsettled(Entry):
    """What cannot be done before COMMIT."""

    @classmethod
    def settle(cls, _connection: object, _entries: object) -> None:
        """Raise."""
        raise LookupError


async def test_a_statement_is_measured_by_its_first_word(
    manager: DatabaseManager, metrics: Metrics, acme: uuid.UUID
) -> None:
    async with manager.async_session_scope(acme) as session:
        await session.execute(text("UPDATE topics SET name = 'x'"))
    with manager.session_scope(acme) as blocking:
        blocking.execute(text("UPDATE topics SET name = 'x'"))
        blocking.execute(text(f"/*{acme}*/ SELECT 1"))

    found = metrics.snapshot().statements
    assert found["UPDATE"].count == 2
    assert found["UPDATE"].seconds >= found["UPDATE"].longest >= found["UPDATE"].mean > 0
    assert sum(found["UPDATE"].buckets) == 2
    assert found["other"].count == 1


async def test_an_error_is_counted_by_its_class(
    manager: DatabaseManager, metrics: Metrics, acme: uuid.UUID
) -> None:
    with pytest.raises(DataFault):
        async with manager.async_session_scope(acme) as session:
            await session.execute(text("SELECT 1 / 0"))

    found = metrics.snapshot()
    assert found.statements["SELECT"].errors == {"DivisionByZero": 1}
    assert found.transactions["rollback"].count == 1


async def test_transactions_are_measured_by_their_end(
    manager: DatabaseManager, metrics: Metrics, acme: uuid.UUID
) -> None:
    async with manager.async_session_scope(acme) as session:
        await session.execute(text("SELECT 1"))
    with manager.session_scope(acme) as blocking:
        blocking.execute(text("SELECT 1"))
        blocking.rollback()

    found = metrics.snapshot().transactions
    assert (found["commit"].count, found["rollback"].count) == (1, 1)
    assert metrics.snapshot().slow_transactions == 0


@pytest.mark.slow
async def test_a_commit_that_fails_is_no_commit(
    manager: DatabaseManager,
    metrics: Metrics,
    acme: uuid.UUID,
    superuser: psycopg.Connection[Any],
) -> None:
    with pytest.raises(AndamiosError), manager.session_scope(acme) as blocking:
        server = blocking.scalar(text("SELECT pg_backend_pid()"))
        superuser.execute("SELECT pg_terminate_backend(%s, 5000)", [server])
    assert list(metrics.snapshot().transactions) == ["rollback"]
    with pytest.raises(LookupError):
        async with manager.async_session_scope(acme) as session:
            connection = (await session.connection()).sync_connection
            assert connection is not None
            Ledger.of(connection).add(Unsettled())

    found = metrics.snapshot().transactions
    assert [(name, each.count) for name, each in found.items()] == [("rollback", 2)]


def test_an_error_before_there_is_a_connection_ends_nothing(metrics: Metrics) -> None:
    context: Any = SimpleNamespace(connection=None)
    metrics._fail(context)

    assert metrics.snapshot().transactions == {}


async def test_each_transaction_of_one_connection_is_measured(
    manager: DatabaseManager, metrics: Metrics
) -> None:
    with manager._engine.connect() as connection:
        for _ in range(3):
            connection.execute(text("SELECT 1"))
            connection.commit()

    assert metrics.snapshot().transactions["commit"].count == 3


async def test_what_is_slow_is_counted_and_logged_without_values(
    manager: DatabaseManager, acme: uuid.UUID, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        Metrics(manager, slow_statement=1e-9, slow_transaction=1e-9) as metrics,
        caplog.at_level(logging.WARNING),
    ):
        async with manager.async_session_scope(acme) as session:
            await session.execute(text("SELECT :value"), {"value": "canary"})

        found = metrics.snapshot()

    assert found.slow_transactions == 1
    assert found.slow_statements >= 1
    assert "slow transaction" in caplog.text
    assert "slow statement" in caplog.text
    assert "canary" not in caplog.text
    assert str(acme) not in caplog.text


async def test_an_operation_of_a_repository_is_measured(
    manager: DatabaseManager, metrics: Metrics, acme: uuid.UUID
) -> None:
    async with manager.async_session_scope(acme) as session:
        topics = BaseRepository(session, Topic).use(metrics.middleware)
        await topics.create({"name": "trees"})
        with pytest.raises(NotFound):
            await topics.get(uuid.uuid4())

    found = metrics.snapshot().operations
    assert found["Topic.create"].count == 1
    assert found["Topic.get"].errors == {"NotFound": 1}


async def test_functions_are_measured(metrics: Metrics) -> None:
    @track_metrics(metrics)
    def twice(number: int) -> int:
        return 2 * number

    @track_metrics(metrics, "reports.monthly")
    async def fails() -> None:
        raise type("OfAcme", (LookupError,), {})

    assert twice(2) == 4
    with pytest.raises(LookupError):
        await fails()

    found = metrics.snapshot().operations
    assert found["test_functions_are_measured.twice"].count == 1
    assert found["reports.monthly"].errors == {"LookupError": 1}


def test_generators_are_refused(metrics: Metrics) -> None:
    def numbers() -> Iterator[int]:
        yield 1

    async def later() -> AsyncIterator[int]:
        yield 1

    for function in (numbers, later):
        with pytest.raises(ConfigurationError, match=rf"{function.__name__} is a generator"):
            track_metrics(metrics)(function)


async def test_the_cache_is_part_of_it(manager: DatabaseManager, acme: uuid.UUID) -> None:
    async with CacheManager(manager) as cache:
        with Metrics(manager, cache=cache) as metrics:
            async with manager.async_session_scope(acme) as session:
                await cache.get(session, "key")

            found = metrics.snapshot().cache

    assert found is not None
    assert found.misses == 1


async def test_a_reset_begins_anew(
    manager: DatabaseManager, metrics: Metrics, acme: uuid.UUID
) -> None:
    with metrics.measured("a"), manager.session_scope(acme) as blocking:
        blocking.execute(text("SELECT 1"))

    metrics.reset()

    found = metrics.snapshot()
    assert not found.operations
    assert not found.statements
    assert not found.transactions


async def test_closed_metrics_stay_as_they_are(
    manager: DatabaseManager, metrics: Metrics, acme: uuid.UUID
) -> None:
    with manager.session_scope(acme) as blocking:
        blocking.execute(text("SELECT 1"))
        metrics.close()
    metrics.close()

    with manager.session_scope(acme) as blocking:
        blocking.execute(text("SELECT 1"))

    assert not metrics.snapshot().transactions
    assert metrics.snapshot().statements


async def test_a_transaction_that_began_before_is_not_measured(
    manager: DatabaseManager, acme: uuid.UUID
) -> None:
    with manager.session_scope(acme) as blocking:
        blocking.execute(text("SELECT 1"))
        metrics = Metrics(manager)
    metrics.close()

    assert not metrics.snapshot().transactions


@pytest.mark.parametrize("limits", [{"slow_statement": 0}, {"slow_transaction": float("nan")}])
def test_a_limit_that_is_none_is_refused(manager: DatabaseManager, limits: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no number of seconds above 0"):
        Metrics(manager, **limits)
