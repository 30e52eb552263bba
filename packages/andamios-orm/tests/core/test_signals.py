"""Whether one who listens to PostgreSQL hears what is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from andamios_orm import Database
from andamios_orm.core.signals import Signals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.integration, pytest.mark.db]


@pytest.fixture(params=["psycopg", "asyncpg"])
async def signals(postgres_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Signals]:
    """Yield signals that listen, through each driver in turn."""
    url = make_url(postgres_url).set(drivername=f"postgresql+{request.param}")
    async with Database(url.render_as_string(hide_password=False)) as database:
        signals = Signals(database.engine)
        armed = signals.arm()
        async with asyncio.timeout(10):
            await armed
        yield signals
        await signals.close()


async def test_it_hears_what_it_tells_itself_and_wakes_nobody(signals: Signals) -> None:
    armed = signals.arm()

    found = [await signals.hears(within=10) for _ in range(3)]

    assert found == [True] * 3
    assert not armed.done()


async def test_it_hears_only_what_was_told_by_itself(signals: Signals, postgres_url: str) -> None:
    async with Database(postgres_url) as database:
        other = Signals(database.engine)
        async with asyncio.timeout(10):
            await other.arm()
        other._own = signals._own  # what it tells is heard by another one, and not by it

        found = await other.hears(within=0.1)
        await other.close()

    assert not found
    assert await signals.hears(within=10)


async def test_one_who_does_not_listen_hears_nothing(postgres_url: str) -> None:
    async with Database(postgres_url) as database:
        signals = Signals(database.engine)

        found = await signals.hears(within=10)
        await signals.close()

    assert not found


async def test_what_cannot_be_told_is_not_heard(signals: Signals) -> None:
    signals._own = "x" * 100  # longer than a name can be

    assert not await signals.hears(within=10)


async def test_who_waits_for_a_pulse_is_let_go_as_it_closes(signals: Signals) -> None:
    signals._own, heard = "andamios_pulse_else", signals._own
    waiting = asyncio.create_task(signals.hears(within=60))
    async with asyncio.timeout(10):
        while not signals._pulses:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)

        await signals.close()
        found = await waiting

    assert heard != signals._own
    assert not found
